/** A real session in Node: the tiny random policy, a real engine, and whatever storage the test hands it. */
import { LabError } from '../../src/errors.ts';
import type { BackendName } from '../../src/engine/engine.ts';
import { toHuggingFaceConfig } from '../../src/policy/config.ts';
import { noFiles } from '../../src/policy/fingerprint.ts';
import { initialWeights, tensorsOf } from '../../src/policy/weights.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import type { LabStorage } from '../../src/storage/storage.ts';
import type { ProbeChunk, SessionPhase, TrainerEvent } from '../../src/worker/api.ts';
import { Session, type SessionSetup } from '../../src/worker/session.ts';
import { tinyConfig, tinyTokenizer, tinyTokenizerFiles } from './tiny-policy.ts';

/** A few rows of a few tokens; the entropy bonus gives every step a gradient, rewarded or not. */
export const smallRun: RunConfig = {
  ...recipes.permix,
  steps: 6,
  tasks: [{ id: 'comparing', weight: 1, knobs: { max: 9 } }],
  promptsPerStep: 2,
  groupSize: 4,
  objective: { ...recipes.permix.objective, entropyCoef: 0.01 },
  sampling: { ...recipes.permix.sampling, maxNewTokens: 3 },
  optim: { ...recipes.permix.optim, learningRate: 1e-2 },
  checkpointEvery: 2,
  heldOut: { questions: 0, every: 2 },
};

export async function database(name: string): Promise<IndexedStorage> {
  return new IndexedStorage(await openDatabase(name));
}

/** As the files of the policy would be. */
const tinyTexts = new Map(
  Object.entries({
    'config.json': toHuggingFaceConfig(tinyConfig),
    'tokenizer.json': tinyTokenizerFiles.json,
    'tokenizer_config.json': tinyTokenizerFiles.config,
  }).map(([name, json]) => [name, new TextEncoder().encode(JSON.stringify(json))]),
);

export class SessionProbe {
  readonly session: Session;
  readonly events: TrainerEvent[] = [];
  #waiting: { readonly test: (event: TrainerEvent) => boolean; readonly done: (event: TrainerEvent) => void }[] = [];

  constructor(storage: LabStorage, setup: Partial<SessionSetup> = {}) {
    this.session = new Session({
      openStorage: async () => ({ storage, notice: null }),
      async loadPolicy(id) {
        if (id !== 'permix-tiny') throw new LabError('network', `There is no policy ${id}.`, 'Choose another.');
        return {
          id,
          config: tinyConfig,
          weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 3)),
          tokenizer: tinyTokenizer(),
          files: noFiles,
          texts: tinyTexts,
          notices: [],
        };
      },
      ...setup,
    });
    void this.session.listen((events) => {
      for (const event of events) {
        this.events.push(event);
        for (const wait of this.#waiting.filter(({ test }) => test(event))) wait.done(event);
      }
    });
  }

  boot(backend: BackendName) {
    return this.session.boot({ backend });
  }

  /** The next event, from now on, that the test holds for. */
  next(test: (event: TrainerEvent) => boolean): Promise<TrainerEvent> {
    return new Promise((done) => this.#waiting.push({ test, done }));
  }

  phase(...phases: SessionPhase[]): Promise<TrainerEvent> {
    return this.next((event) => event.type === 'session' && phases.includes(event.phase));
  }

  /** Starts, and resolves with the run's id when it has come to rest. */
  async train(config: RunConfig): Promise<string> {
    const rest = this.phase('finished', 'failed', 'paused');
    const id = await this.session.start(config);
    await rest;
    return id;
  }

  get notices(): string[] {
    return this.events.flatMap((event) => (event.type === 'notice' && typeof event.text === 'string' ? [event.text] : []));
  }
}

/** What a policy says to one question, drawn always alike. @param checkpoint null: as it was before training */
export async function says(session: Session, policy: string, checkpoint: string | null = null): Promise<string> {
  const chunks: ProbeChunk[] = [];
  const personas = [{ key: 'none', text: null }];
  const rest = { question: 'Which is larger, 3 or 7?', personas, checkpoints: [checkpoint], temperature: 1, maxNewTokens: 6, seed: 5 };
  await session.probe({ policy, ...rest }, (some) => chunks.push(...some));
  return chunks.at(-1)!.pieces.join('|');
}
