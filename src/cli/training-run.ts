/**
 * A run in its folder while this process trains it: opened where it stands, pulled event by event, each stored before it is handed on.
 * `permix train` pulls one, `permix race` two in turn. What to print is theirs.
 */
import { relative } from 'node:path';
import { untrained, type Adapters, type EngineRequest, type PolicyEngine } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import { heldOutMetrics } from '../evaluate/held-out.ts';
import { personaPlace } from '../persona/place.ts';
import { libraryOf } from '../persona/libraries.ts';
import { loadPolicy, type Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { loraSetup, type RunConfig } from '../rl/config.ts';
import { EndWatch } from '../rl/ends.ts';
import type { TrainerState } from '../rl/events.ts';
import type { StepPhase } from '../rl/phases.ts';
import { planRun } from '../rl/plan.ts';
import { initialTrainerState } from '../rl/trainer.ts';
import { HeldOutCost } from '../run/cost.ts';
import { policyParts, runIdentity, type Identity } from '../run/identity.ts';
import { runSteps, type RunEvent } from '../run/loop.ts';
import type { CheckpointContent } from '../storage/records.ts';
import type { Question } from '../tasks/question.ts';
import { openEngine } from './engine.ts';
import { policySource, writePolicyFolder } from './folder.ts';
import { notice, Part } from './progress.ts';
import { pathsFrom } from './question-sets.ts';
import type { RunFolder } from './run-folder.ts';
import type { HeldOutLine, MetricsLine } from './step-log.ts';
import type { TrainPlan } from './train-plan.ts';

export interface RunMaterial {
  readonly folder: RunFolder;
  readonly plan: TrainPlan;
  readonly policy: Policy;
  readonly tokenizer: Tokenizer;
  /** Whether there is room for a question. */
  readonly fits: (question: Question) => boolean;
  readonly signal: AbortSignal;
  /** Between two events: how far it is with the next one, in steps. */
  readonly onProgress?: (steps: number, what: string) => void;
}

export class TrainingRun {
  readonly cost: HeldOutCost;
  #saved: number;
  readonly #ends: EndWatch;
  readonly #events: AsyncGenerator<RunEvent>;

  private constructor(
    private readonly material: RunMaterial,
    readonly engine: PolicyEngine,
    private readonly teacher: PolicyEngine | null,
    private state: TrainerState,
  ) {
    const { plan, policy, tokenizer, folder, signal, onProgress } = material;
    const { config } = plan;
    this.cost = new HeldOutCost(config);
    this.#saved = state.step;
    this.#ends = new EndWatch(
      policy.config.eosIds.map((id) => tokenizer.tokenOf(id) ?? String(id)),
      config.sampling.maxNewTokens,
    );
    const asking = new Part('held-out questions');
    this.#events = runSteps({
      engine,
      ...(teacher ? { teacher } : {}),
      tokenizer,
      eosIds: policy.config.eosIds,
      ...libraryOf(config.library),
      config,
      sets: plan.questions.sets,
      state,
      evaluated: folder.evaluated,
      signal,
      onProgress: (phase, fraction) => onProgress?.(this.step + within(phase, fraction), phase),
      onEvaluation: (step, fraction) => onProgress?.(step, asking.at(fraction)),
    });
  }

  /** Puts the policy of the folder's newest checkpoint, or of the plan, on an engine, and writes what the run is. @throws before anything is written where the run cannot be had */
  static async open(material: RunMaterial): Promise<TrainingRun> {
    const { folder, plan, policy, tokenizer, fits } = material;
    const { config, model, teacher, engineRequest } = plan;
    const library = libraryOf(config.library);
    const engine = await openEngine({ config: policy.config, weights: policy.weights, lora: loraSetup(config), engineRequest });
    await engine.setReference();
    const taught = teacher === null ? null : await openTeacher(teacher, policy, engineRequest);
    const identity = { policy, config, ...library, teacher: taught?.identity ?? null, engine: engine.info };
    const origin = plan.originOf(await runIdentity(identity));
    const saved = folder.begun ? await folder.goBack(notice) : null;
    const start = saved ?? plan.fork?.start ?? beginning(config, plan.adapters);
    // Likewise before anything is written.
    planRun({ engine, tokenizer, eosIds: policy.config.eosIds, ...library, config, sets: plan.questions.sets, fits, state: start.trainer });
    await engine.importState(start.state);
    await folder.write({
      config,
      model: relative(folder.path, model),
      ...(teacher === null ? {} : { teacher: relative(folder.path, teacher) }),
      ...pathsFrom(folder.path, plan.questions.paths),
      engine: engine.info,
      ownPrompt: personaPlace(tokenizer).ownPrompt,
      origin,
      ...(plan.fork ? { from: { ...plan.fork.from, run: relative(folder.path, plan.fork.from.run) } } : folder.from),
    });
    if (!saved) await folder.begin({ ...start, config });
    if (plan.keepsRollouts) await folder.keepRollouts();
    return new TrainingRun(material, engine, taught?.engine ?? null, start.trainer);
  }

  get config(): RunConfig {
    return this.material.plan.config;
  }

  get folder(): RunFolder {
    return this.material.folder;
  }

  /** Steps done. */
  get step(): number {
    return this.state.step;
  }

  /** The step that is on the disk to go on from. */
  get savedStep(): number {
    return this.#saved;
  }

  /** The next step or evaluation, stored; null: the run is over. A step that is stopped has changed nothing, so the engine always is where `step` says. */
  async next(): Promise<RunEvent | null> {
    const next = await this.#events.next();
    if (next.done) return null;
    const event = next.value;
    const { folder, config } = this;
    if (event.kind === 'evaluation') {
      this.cost.asked(event.evaluation.seconds);
      await folder.appendHeldOut(heldOutLine(event));
    } else {
      const { report } = event;
      this.state = event.state;
      this.cost.trained(report.metrics['step_time'] ?? 0);
      const never = this.#ends.step(config.promptsPerStep * config.groupSize, report.metrics['completions/clipped_ratio'] ?? 0);
      if (never !== null) notice(never);
      await folder.saveRollouts(report.step, report.rollouts);
      await folder.appendMetrics(metricsLine(event));
      if (config.checkpointEvery > 0 && this.step % config.checkpointEvery === 0) await this.save();
    }
    const dear = this.cost.excess();
    if (dear !== null)
      notice(
        `The held-out questions take ${Math.round(100 * dear.heldOutShare)} % of this run’s time. Fewer of them (heldOut.questions) or longer between them (heldOut.every) costs less; the training itself stays the same.`,
      );
    return event;
  }

  async save(): Promise<void> {
    if (this.#saved === this.step) return;
    await this.folder.saveCheckpoint({ config: this.config, trainer: this.state, state: await this.engine.exportState() });
    this.#saved = this.step;
  }

  /** At the end: the last checkpoint, and the policy as a folder. */
  async finish(): Promise<void> {
    await this.save();
    const { policy } = this.material;
    const { id, config, weights: base, texts, tokenizer } = policy;
    const { weights, adapters } = await this.engine.exportState();
    const trained = { name: id, config, base, texts, tokenizer, weights, adapters };
    await this.folder.writePolicy((fresh) => writePolicyFolder(fresh, trained));
  }

  dispose(): void {
    this.engine.dispose();
    this.teacher?.dispose();
  }
}

export const metricsLine = ({ report }: Extract<RunEvent, { kind: 'step' }>): MetricsLine =>
  ({ step: report.step, ...report.metrics, personas: report.personas }) as MetricsLine;

export const heldOutLine = ({ evaluation }: Extract<RunEvent, { kind: 'evaluation' }>): HeldOutLine => {
  const { step, seconds, rows } = evaluation;
  return { step, ...heldOutMetrics(evaluation), seconds, rows } as HeldOutLine;
};

/** The base as it is, as the page's first checkpoint has it, or with adapters that were trained elsewhere. */
function beginning(config: RunConfig, adapters: Adapters | null): CheckpointContent {
  return { config, trainer: initialTrainerState, state: { ...untrained, adapters } };
}

interface Taught {
  readonly engine: PolicyEngine;
  readonly identity: Identity;
}

/** @throws LabError 'config' for a teacher whose tokens are not the policy's */
async function openTeacher(folder: string, { config, tokenizer }: Policy, engineRequest: EngineRequest): Promise<Taught> {
  const teacher = await loadPolicy(await policySource(folder));
  const sample = 'You are a careful teacher. What is 12 + 30? \\boxed{42}';
  const same =
    teacher.config.vocabSize === config.vocabSize && String(teacher.tokenizer?.encode(sample)) === String(tokenizer?.encode(sample));
  if (teacher.config.maxPositions < config.maxPositions) {
    const what = `The teacher in ${folder} reads ${teacher.config.maxPositions} tokens, the policy ${config.maxPositions}.`;
    throw new LabError('config', what, 'Take one that reads as many.');
  }
  if (!same) {
    throw new LabError('config', `The teacher in ${folder} has another tokenizer than the policy.`, 'Take one that was trained from it.');
  }
  const engine = await openEngine({ config: teacher.config, weights: teacher.weights, engineRequest });
  return { engine, identity: await policyParts(teacher, 'teacher') };
}

/** Part of a step that is done. Rough shares of its time: the bar need not be exact, only never stand still. */
function within(phase: StepPhase, fraction: number): number {
  const shares: Readonly<Record<StepPhase, { readonly from: number; readonly to: number }>> = {
    generate: { from: 0, to: 0.4 },
    verify: { from: 0.4, to: 0.4 },
    score: { from: 0.4, to: 0.4 },
    update: { from: 0.5, to: 1 },
  };
  const { from, to } = shares[phase];
  return from + fraction * (to - from);
}
