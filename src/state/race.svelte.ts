/**
 * The race of RLVR and PerMix that the page begins with: what the base answers, what both answer while they train here, or what they answered
 * in the recording where nothing is trained. Which run's charts are on view is the lab's business.
 */
import { errorSentence } from '../errors.ts';
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import { usualHeldOut, type RunConfig } from '../rl/config.ts';
import { raceRecipes, raceSentence, raceSettings, type RaceArm } from '../run/race.ts';
import type { RunRecord } from '../storage/records.ts';
import type { Boot, Race as RacePair, SessionPhase, TrainerApi, TrainerEvent } from '../worker/api.ts';
import { HeldOut } from './held-out.svelte.ts';
import { Replay } from './replay.svelte.ts';
import { isActive } from './session.ts';

/** Enough for the difference to show, in about a minute on one core. */
export const raceSteps = 30;

class Arm {
  readonly heldOut = new HeldOut();
  phase = $state<SessionPhase>('idle');
  step = $state(0);
  message = $state<string | null>(null);
  /** Another tab trains it. */
  elsewhere = $state(false);
}

/** What one column of the picture shows. */
export interface RaceColumn {
  readonly arm: 'base' | RaceArm;
  readonly evaluation: HeldOutEvaluation | null;
  /** More is on its way. */
  readonly filling: boolean;
}

export class Race {
  readonly replay = new Replay();
  readonly arms: Readonly<Record<RaceArm, Arm>> = { rlvr: new Arm(), permix: new Arm() };
  /** The two runs of this browser that are shown; null: none were made yet. */
  pair = $state.raw<RacePair | null>(null);
  /** What the policy answered here, before any race. */
  base = $state.raw<HeldOutEvaluation | null>(null);
  /** Seconds of one step on this machine; null while it is not known. */
  stepSeconds = $state<number | null>(null);
  trying = $state(false);
  /** The cell whose replies are open under the picture. */
  selected = $state.raw<{ readonly row: string; readonly column: RaceColumn['arm'] } | null>(null);
  /** The recording is being watched instead. */
  watching = $state(false);

  constructor(private readonly api: () => TrainerApi) {}

  /** Whether a step or an evaluation of the rival is on its way. */
  get rivalActive(): boolean {
    return !this.arms.rlvr.elsewhere && isActive(this.arms.rlvr.phase);
  }

  /** What the picture shows, left to right. */
  get columns(): readonly RaceColumn[] {
    if (this.watching || (!this.pair && !this.base)) return this.#recorded;
    const base = (this.pair && this.arms.permix.heldOut.first) ?? (this.pair && this.arms.rlvr.heldOut.first) ?? this.base;
    return [
      { arm: 'base', evaluation: base ?? this.#recorded[0]!.evaluation, filling: this.trying },
      ...raceRecipes.map((arm) => {
        const { heldOut, phase } = this.arms[arm];
        const trained = heldOut.latest && heldOut.latest.step > 0 ? heldOut.latest : null;
        return { arm, evaluation: this.pair ? trained : null, filling: this.pair !== null && phase === 'running' };
      }),
    ];
  }

  get #recorded(): readonly RaceColumn[] {
    const { recording, step, playing } = this.replay;
    const runs = recording?.runs ?? [];
    return [
      { arm: 'base', evaluation: runs[0]?.heldOut[0] ?? null, filling: false },
      ...raceRecipes.map((arm) => {
        const run = runs.find(({ config }) => config.recipe === arm);
        const shown = this.watching && step > 0 ? run?.heldOut.findLast((one) => one.step <= step && one.step > 0) : null;
        return { arm, evaluation: shown ?? null, filling: this.watching && playing };
      }),
    ];
  }

  /** What came out, where both stand at the same step, or the one that did not fail at its own; null before. */
  get sentence(): string | null {
    const [base, ...arms] = this.columns.map(({ arm, evaluation }) => ({ arm, evaluation, failed: arm !== 'base' && this.failed(arm) }));
    const going = arms.filter(({ failed }) => !failed);
    const steps = going.map(({ evaluation }) => evaluation?.step ?? 0);
    if (!base?.evaluation || going.length === 0 || steps.some((step) => step === 0 || step !== steps[0])) return null;
    const end = (arm: RaceArm) => going.find((one) => one.arm === arm)?.evaluation ?? null;
    return raceSentence({ base: base.evaluation, rlvr: end('rlvr'), permix: end('permix') });
  }

  /** An arm of the pair on view. */
  failed(arm: RaceArm): boolean {
    return this.pair !== null && !this.watching && this.arms[arm].phase === 'failed';
  }

  /** As the held-out questions took that were asked here before any race; null: none were. */
  get secondsPerReply(): number | null {
    const { base } = this;
    const replies = base?.rows.reduce((sum, row) => sum + row.replies.length, 0) ?? 0;
    return base && replies > 0 ? base.seconds / replies : null;
  }

  /** About how long a race takes here, in seconds. */
  get seconds(): number | null {
    const asking = (this.base?.seconds ?? 0) * (raceSteps / usualHeldOut.every + 1);
    return this.stepSeconds === null ? null : 2 * (raceSteps * this.stepSeconds + asking);
  }

  get finished(): boolean {
    return this.pair !== null && raceRecipes.every((arm) => this.arms[arm].phase === 'finished');
  }

  config({ recipes }: Pick<Boot, 'recipes'>, seed: number, policy?: string): RunConfig {
    const { permix } = recipes as { permix: RunConfig };
    const objective = { ...permix.objective, ...raceSettings.objective };
    return { ...permix, policy: policy ?? permix.policy, seed, steps: raceSteps, objective };
  }

  /** Measures this machine and lets the policy answer here, where that takes seconds and not minutes. */
  async tryOut(boot: Boot): Promise<void> {
    const { backend, software } = boot.engine;
    if (this.pair || this.trying || software || backend === 'cpu') return;
    this.trying = true;
    try {
      this.stepSeconds = await this.api().trial(this.config(boot, 1), (evaluation) => (this.base = evaluation));
    } catch {
      // The recording stands in; what fails here fails again, with a sentence, where something is asked for.
    } finally {
      this.trying = false;
    }
  }

  /** Whether another tab trains the pair on view. */
  get elsewhere(): boolean {
    return raceRecipes.some((arm) => this.arms[arm].elsewhere);
  }

  /** The newest race that this browser holds. */
  async recover(runs: readonly RunRecord[]): Promise<void> {
    const permix = runs.find(({ config, race }) => config.recipe === 'permix' && runs.some(({ id }) => id === race));
    if (permix && !this.pair) this.#show({ rlvr: permix.race!, permix: permix.id });
    await this.read();
  }

  /** Another tab trains a newer one. */
  follow(runs: readonly RunRecord[]): void {
    const permix = runs.find(({ config, race }) => config.recipe === 'permix' && race !== undefined);
    if (permix && !this.rivalActive) this.#show({ rlvr: permix.race!, permix: permix.id });
  }

  /** What is stored of the pair on view, which this tab does not train. */
  async read(): Promise<void> {
    const { pair } = this;
    if (!pair) return;
    for (const arm of raceRecipes) {
      try {
        const { run, steps, heldOut } = await this.api().history(pair[arm], this.arms[arm].step);
        Object.assign(this.arms[arm], {
          phase: run.status === 'stopped' ? 'paused' : run.status,
          step: run.status === 'running' ? (steps.at(-1)?.step ?? this.arms[arm].step) : run.step,
          message: run.failure ?? null,
          elsewhere: run.status === 'running',
        });
        this.arms[arm].heldOut.show(heldOut);
      } catch (error) {
        this.arms[arm].message = errorSentence(error);
      }
    }
  }

  /** Of a pair that is no pair any more nothing is shown. @returns shows it again, where no other has taken its place */
  part(): () => void {
    const { pair, selected } = this;
    this.pair = null;
    this.selected = null;
    return () => {
      if (this.pair === null) [this.pair, this.selected] = [pair, selected];
    };
  }

  #show(pair: RacePair): void {
    if (pair.permix === this.pair?.permix) return;
    this.pair = pair;
    this.watching = false;
    for (const arm of raceRecipes) {
      Object.assign(this.arms[arm], { phase: 'idle', step: 0, message: null, elsewhere: false });
      this.arms[arm].heldOut.show([]);
    }
  }

  /** Whose run it is; null: neither's. */
  armOf(runId: string | null): RaceArm | null {
    return raceRecipes.find((arm) => this.pair?.[arm] === runId) ?? null;
  }

  take(event: TrainerEvent): void {
    if (event.type === 'race') this.#show(event.pair);
    const arm = this.armOf(event.runId);
    if (!arm) return;
    if (event.type === 'session')
      Object.assign(this.arms[arm], { phase: event.phase, step: event.step, message: event.message, elsewhere: false });
    else if (event.type === 'evaluation') this.arms[arm].heldOut.receive(event.evaluation);
  }

  watch(): void {
    this.watching = true;
    this.replay.seek(0);
    this.replay.play();
  }

  /** Holds the recording at a step. */
  hold(step: number): void {
    this.watching = true;
    this.replay.go(step);
  }

  leave(): void {
    this.watching = false;
    this.replay.pause();
  }
}
