/**
 * The policies that an examination is about: the base and chosen checkpoints, by name, and the one engine lent with their weights, call by
 * call, in turns with training. What they are asked is `evaluation.ts` and `judge.ts`.
 */
import type { AskedEngine } from '../evaluate/request.ts';
import { LabError } from '../errors.ts';
import { untrained, type EngineInfo, type PolicyEngine } from '../engine/engine.ts';
import type { Weights } from '../policy/weights.ts';
import type { CheckpointInfo, EvaluatedPolicy } from '../storage/records.ts';
import type { LabStorage } from '../storage/storage.ts';
import { askedOf, bundledPolicy, type Bench } from './bench.ts';
import { lossError, Recovery } from './recovery.ts';
import { nextTask, type Turns } from './turns.ts';

export interface EvaluationTools {
  readonly storage: LabStorage;
  readonly bench: Bench;
  readonly turns: Turns;
  /** As in `TrainingTools`. */
  readonly retryWaits?: readonly number[];
  /** What a policy is called. */
  nameOf(id: string): Promise<string>;
  /** Whether a run is being trained: then it brings a lost device back, otherwise this does. */
  training(): boolean;
  /** A stored checkpoint of the open run as it is now. @throws LabError 'usage' where no run is open */
  saveCurrent(): Promise<CheckpointInfo>;
}

const maxCheckpoints = 5;

/**
 * The base first; `current` is the open run, which is saved for it. The checkpoints become the reader's own, so that none is retired
 * while its examination waits to be continued.
 * @throws LabError 'config' for too many, or for one of another policy than the base, 'storage' for one that is not there
 */
export async function examinedPolicies(tools: EvaluationTools, base: string, wanted: readonly string[]): Promise<EvaluatedPolicy[]> {
  const { storage } = tools;
  const ids: string[] = [];
  for (const id of wanted) ids.push(id === 'current' ? (await tools.saveCurrent()).id : id);
  const checkpoints = [...new Set(ids)];
  if (checkpoints.length > maxCheckpoints) {
    throw new LabError(
      'config',
      `${checkpoints.length} checkpoints are more than a chart can tell apart.`,
      `Choose at most ${maxCheckpoints}.`,
    );
  }
  const called = base === bundledPolicy.id ? 'Base policy' : `Base policy, ${await tools.nameOf(base)}`;
  const policies: EvaluatedPolicy[] = [{ checkpoint: null, name: called, recipe: 'base' }];
  for (const id of checkpoints) {
    const { runId, name, step, config } = await storage.checkpoint(id);
    if (config.policy !== base) {
      throw new LabError(
        'config',
        `“${(await storage.run(runId)).name}” trained ${await tools.nameOf(config.policy)}, and the base is ${await tools.nameOf(base)}.`,
        'Compare checkpoints of one policy with it, and others by themselves.',
      );
    }
    await storage.renameCheckpoint(id, name);
    const label = `${(await storage.run(runId)).name}, step ${step}`;
    const taken = policies.filter((policy) => policy.name.startsWith(label)).length;
    policies.push({ checkpoint: id, name: taken > 0 ? `${label} (${taken + 1})` : label, recipe: config.recipe });
  }
  return policies;
}

/** What the base is computed on. @throws LabError 'usage' while another policy is being trained */
export function engineInfo({ bench, turns, training }: EvaluationTools, base: string): Promise<EngineInfo> {
  return turns.take(() => bench.borrow(base, null, async ({ info }) => info, training()));
}

/** The engine with these weights, for one call at a time, each in a turn of its own between two training steps. */
export async function lentEngine(
  { storage, bench, turns, training, retryWaits }: EvaluationTools,
  base: string,
  checkpoint: string | null,
  signal: AbortSignal,
): Promise<AskedEngine> {
  const asked = checkpoint === null ? askedOf(untrained) : askedOf((await storage.checkpoint(checkpoint)).state);
  const recovery = new Recovery(retryWaits);
  const cancelled = () => new LabError('cancelled', 'The evaluation was cancelled.', 'It can be continued.');
  const lend = async <T>(work: (engine: PolicyEngine) => Promise<T>): Promise<T> => {
    // A Cancel that waits is heard before the engine is busy again.
    await nextTask();
    if (signal.aborted) throw cancelled();
    try {
      return await turns.take(() => bench.borrow(base, asked, work, training()));
    } catch (error) {
      if (!bench.deviceFailed(error) || training()) throw error;
      const again = () => turns.take(async () => void (await bench.rebuild(base)));
      const outcome = await recovery.after(error, again, (failure) => bench.deviceFailed(failure), signal);
      if (outcome.kind === 'recovered') return lend(work);
      if (outcome.kind === 'given up') throw cancelled();
      if (outcome.kind === 'failed') throw outcome.error;
      throw lossError(outcome, 'what was asked so far is saved', 'continue it');
    }
  };
  return {
    generate: (request, onProgress) => lend((engine) => engine.generate(request, onProgress)),
    score: (batch, options) => lend((engine) => engine.score(batch, options)),
  };
}

/** For a fingerprint of what is not stored with an examination. */
export function bytesOf(weights: Weights, text: string): ArrayBuffer {
  const parts: Uint8Array[] = [new TextEncoder().encode(text)];
  for (const name of Object.keys(weights).sort()) {
    const { buffer, byteOffset, byteLength } = weights[name]!;
    parts.push(new Uint8Array(buffer, byteOffset, byteLength));
  }
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes.buffer;
}
