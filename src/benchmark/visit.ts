/**
 * What a visitor's page measures, in about two minutes whatever computes there: on WebGPU the rows of `npm run bench` that need no peer, and those of
 * the wasm engine, which are all there is without WebGPU. Small shapes first; larger ones as far as their time reaches, by what the small ones took
 * (`allowance.ts`). Everybody is held to the portable engine's numbers before anything is timed. It knows no page: `worker/benchmark.ts` calls it.
 */
import { errorSentence, labErrorCode } from '../errors.ts';
import { patienceOf } from './allowance.ts';
import { clockTick } from './clock.ts';
import { install, uninstall } from './gpu-meter.ts';
import type { HostMachine } from './host-steps.ts';
import { planPolicies } from './planned.ts';
import { makeReport, type EngineLabel, type Occasion, type Profile, type Report, type RowName, type RowSpec } from './report.ts';
import { GpuStages, hostStages, type Stage } from './stages.ts';
import { Suite } from './suite.ts';
import type { Watch } from './watch.ts';
import { benchConfig } from './workload.ts';

export interface VisitSetup {
  readonly occasion: Occasion;
  readonly machine: HostMachine;
  /** Whether WebGPU is measured; else why not, a sentence. */
  readonly gpu: true | string;
  /** For everything together, about. */
  readonly seconds: number;
  /** GPU time by kernel, too. */
  readonly profile: boolean;
  readonly watch: Watch;
  onProgress(progress: VisitProgress): void;
}

export interface VisitProgress {
  /** What is being measured, as a reader says it. */
  readonly doing: string;
  /** In [0, 1]. */
  readonly share: number;
  /** About; 0: longer than planned. */
  readonly secondsLeft: number;
  readonly report: Report;
}

export interface Visit {
  readonly report: Report;
  /** What was found on the way: who computes the same as whom, to how much. */
  readonly findings: readonly string[];
  /** Engines that failed, or computed something else, and why. */
  readonly failed: readonly { readonly engine: EngineLabel; readonly why: string }[];
  readonly cancelled: boolean;
  readonly seconds: number;
  /** Milliseconds by which the clock of this browser ticks. */
  readonly tick: number;
}

/** Rows of the command alone: other processes, other files, peers, or half a gigabyte of weights. */
const commandOnly = /^(selfCheck|heldOut|host\.(decode|loraStep|productShare|stepShare|train)|page|hostMemory|submit)/;

export async function visit(setup: VisitSetup): Promise<Visit> {
  return new Visiting(setup).all();
}

class Visiting {
  readonly #setup: VisitSetup;
  readonly #suite: Suite;
  readonly #tick = clockTick();
  readonly #findings: string[] = [];
  /** Why something else than a contender failed. */
  readonly #fell: { readonly engine: EngineLabel; readonly why: string }[] = [];
  readonly #began: number;
  #profile: Profile | null = null;
  #cancelled = false;
  #now = { doing: 'Getting ready', began: 0, patience: 0, weight: 0 };
  /** Of the weights, all and those that are through. */
  #weights = { all: 1, done: 0 };

  constructor(setup: VisitSetup) {
    this.#setup = setup;
    const { watch } = setup;
    const effort = { repeats: setup.occasion.software ? 5 : 20, patience: 0, hurry: Infinity };
    this.#suite = new Suite(effort, (line) => this.#findings.push(line), {
      now: () => watch.now(),
      undisturbed: () => watch.undisturbed(),
      next: () => {
        this.#tell();
        return watch.next();
      },
    });
    this.#suite.out.set('jax-js', 'A peer, measured in development only: npm run bench.');
    this.#began = watch.now();
  }

  async all(): Promise<Visit> {
    const suite = this.#suite;
    const gpu = this.#setup.gpu === true;
    const work = new GpuStages(suite, this.#tick, this.#setup.profile, (profile) => (this.#profile = profile));
    // Before WebGPU: tfjs has one backend at a time.
    const stages = [...hostStages(suite, this.#setup.machine), ...(gpu ? [...work.small(), ...this.#fitting(work.large())] : [])];
    this.#weights = { all: stages.reduce((sum, { weight }) => sum + weight, 0), done: 0 };
    suite.plannedMemory();
    planPolicies(suite.rows);
    if (gpu) install();
    try {
      for (const stage of stages) {
        await this.#take(stage);
        this.#weights.done += stage.weight;
      }
    } catch (error) {
      if (labErrorCode(error) !== 'cancelled') throw error;
      this.#cancelled = true;
    } finally {
      suite.close();
      uninstall();
    }
    const out = [...suite.out].filter(([engine]) => engine !== 'jax-js').map(([engine, why]) => ({ engine, why }));
    return {
      report: this.#report(),
      findings: this.#findings,
      failed: [...out, ...this.#fell],
      cancelled: this.#cancelled,
      seconds: (this.#setup.watch.now() - this.#began) / 1000,
      tick: this.#tick,
    };
  }

  /** Those of a real GPU are none where there is a rasteriser, and take none of the time. */
  #fitting(stages: readonly Stage[]): readonly Stage[] {
    if (!this.#setup.occasion.software) return stages;
    for (const { names } of stages) this.#leave(names, 'Needs a hardware adapter.');
    return [];
  }

  #leave(names: readonly RowName[], why: string): void {
    for (const name of names) this.#suite.left.set(name, why);
  }

  /** Milliseconds. */
  get #left(): number {
    return 1000 * this.#setup.seconds - (this.#setup.watch.now() - this.#began);
  }

  async #take(stage: Stage): Promise<void> {
    const { weight, doing, names } = stage;
    const leave = (why: string) => this.#leave(names, why);
    const ahead = this.#weights.all - this.#weights.done;
    const patience = patienceOf({ weight, ahead, least: stage.least?.() ?? null, left: this.#left });
    if (patience === null) return leave('It would have taken longer here than there was time.');
    if (patience === 0 && !stage.always) return leave('There was not enough time for it.');
    const began = this.#setup.watch.now();
    this.#now = { doing, began, patience, weight };
    Object.assign(this.#suite.effort, { patience, hurry: began + 2 * patience });
    this.#tell();
    try {
      await stage.run();
    } catch (error) {
      if (labErrorCode(error) === 'cancelled') throw error;
      // Contenders' failures are kept where they happen; these are of what has none.
      const why = errorSentence(error);
      this.#fell.push({ engine: stage.engine, why });
      leave(why);
    }
  }

  #tell(): void {
    const { doing, began, patience, weight } = this.#now;
    const within = patience > 0 ? Math.min(1, (this.#setup.watch.now() - began) / patience) : 0;
    const share = Math.min(0.99, (this.#weights.done + within * weight) / this.#weights.all);
    this.#setup.onProgress({ doing, share, secondsLeft: Math.max(0, this.#left / 1000), report: this.#report() });
  }

  #report(): Report {
    const rows = this.#suite.rows.list((spec: RowSpec, engine: EngineLabel) => this.#reasonOf(spec.name as RowName, engine));
    return makeReport(this.#setup.occasion, benchConfig(128), rows, this.#profile ?? undefined);
  }

  #reasonOf(name: RowName, engine: EngineLabel): string {
    const { left, out } = this.#suite;
    if (commandOnly.test(name)) return 'Measured by npm run bench only.';
    if (this.#setup.gpu !== true && !name.startsWith('host.')) return this.#setup.gpu;
    return (
      out.get(engine) ?? left.get(name) ?? (this.#cancelled ? 'Cancelled before it was measured.' : 'There was not enough time for it.')
    );
  }
}
