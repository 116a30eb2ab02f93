/**
 * The judging the reader asks for, the one that is under way, and those that are kept. The key lives here, for as long as the page is open,
 * and goes to the worker with a request; it is stored nowhere.
 */
import { labErrorCode } from '../errors.ts';
import { completionsUrl } from '../evaluate/judge/address.ts';
import { checkBenchmarkSize, judgeTasks, parseBenchmark, type Benchmark } from '../evaluate/judge/benchmark.ts';
import type { Changes } from '../run/identity.ts';
import type { JudgementSettings } from '../storage/judgements.ts';
import type { TrainerApi } from '../worker/api.ts';
import type { ContinuedJudging, JudgementInfo, JudgementView, JudgingUpdate, NewJudging } from '../worker/judge-api.ts';
import { errorSentence } from './sentence.ts';

export class Judging {
  benchmark = $state.raw<Benchmark | null>(null);
  /** What is wrong with the file that was chosen. */
  fileProblem = $state<string | null>(null);
  address = $state('');
  model = $state('');
  key = $state('');
  /** Beside the base; `current` is the open run as it is. */
  checkpoints = $state.raw<readonly string[]>([]);
  personas = $state<number | null>(10);
  questions = $state<number | null>(2);
  /** The bundled policy reads 128 tokens; what a reply may take is missing for the question. */
  maxNewTokens = $state<number | null>(20);
  seed = $state<number | null>(1);

  kept = $state.raw<readonly JudgementInfo[]>([]);
  /** The one on view, finished or not. */
  open = $state.raw<JudgementView | null>(null);
  update = $state.raw<JudgingUpdate | null>(null);
  running = $state(false);
  cancelling = $state(false);
  problem = $state<string | null>(null);
  /** The unfinished one that would go on with something else than it began with. */
  changed = $state.raw<(Changes & { readonly id: string }) | null>(null);

  readonly #api: () => TrainerApi;
  #began = false;
  #opening = 0;

  constructor(api: () => TrainerApi) {
    this.#api = api;
  }

  /** The first look at the view: what is kept, and the judge that was asked last. */
  async begin(newest: string | null): Promise<void> {
    if (this.#began) return;
    this.#began = true;
    if (newest && this.checkpoints.length === 0) this.checkpoints = [newest];
    await this.refresh();
    const [latest] = this.kept;
    if (!latest) return;
    this.address ||= latest.judge.address;
    this.model ||= latest.judge.model;
    if (!this.open && !this.running) await this.view(latest.id);
  }

  async refresh(): Promise<void> {
    try {
      this.kept = await this.#api().judgements();
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }

  async read(file: File): Promise<void> {
    this.fileProblem = null;
    try {
      checkBenchmarkSize(file.name, file.size);
      this.benchmark = parseBenchmark(await file.text(), file.name);
    } catch (error) {
      this.fileProblem = errorSentence(error);
    }
  }

  toggle(checkpoint: string): void {
    this.checkpoints = this.checkpoints.includes(checkpoint)
      ? this.checkpoints.filter((entry) => entry !== checkpoint)
      : [...this.checkpoints, checkpoint];
  }

  get settings(): JudgementSettings {
    return {
      checkpoints: [...this.checkpoints],
      personas: this.personas ?? 0,
      questions: this.questions ?? 0,
      temperature: 0.9,
      maxNewTokens: this.maxNewTokens ?? 0,
      seed: this.seed ?? 0,
    };
  }

  /** Verdicts that will be asked for, at most: questions that a policy cannot read fall away. */
  get most(): number {
    const personas = Math.min(this.personas ?? 0, this.benchmark?.personas.length ?? Infinity);
    return (this.checkpoints.length + 1) * personas * judgeTasks.length * (this.questions ?? 0);
  }

  /** What keeps it from being run, as a sentence; null when nothing does. */
  get obstacle(): string | null {
    const whole = (value: number | null, low: number, high: number) =>
      value !== null && Number.isInteger(value) && value >= low && value <= high;
    if (!this.benchmark) return 'Choose your copy of the benchmark first.';
    try {
      completionsUrl(this.address);
    } catch (error) {
      return errorSentence(error);
    }
    if (this.model.trim() === '') return 'Give the name of the model that judges.';
    if (!whole(this.personas, 1, 200)) return 'Personas: a whole number from 1 to 200.';
    if (!whole(this.questions, 1, 10)) return 'Questions of each task: a whole number from 1 to 10.';
    if (!whole(this.maxNewTokens, 1, 256)) return 'Longest answer: a whole number of tokens from 1 to 256.';
    if (!whole(this.seed, 0, 0xffffffff)) return 'Seed: a whole number from 0.';
    if (this.checkpoints.length > 5) return 'Choose at most five policies beside the base.';
    return null;
  }

  async run(): Promise<void> {
    if (this.obstacle || !this.benchmark) return;
    await this.#run({
      settings: this.settings,
      benchmark: this.benchmark,
      access: { address: this.address, model: this.model, key: this.key || null },
    });
  }

  /** Where something differs from what it began with, asks first. */
  async resume(id: string, accept: readonly string[] = []): Promise<void> {
    if (this.running) return;
    this.changed = null;
    this.problem = null;
    try {
      const changes = accept.length > 0 ? null : await this.#api().changes('judgement', id);
      if (changes) this.changed = { ...changes, id };
      else await this.#run({ id, key: this.key || null, accept });
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }

  async cancel(): Promise<void> {
    this.cancelling = true;
    try {
      await this.#api().cancelJudging();
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }

  async view(id: string): Promise<void> {
    const opening = ++this.#opening;
    try {
      const view = await this.#api().judgement(id);
      if (opening === this.#opening) this.open = view;
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }

  async remove(id: string): Promise<void> {
    try {
      await this.#api().deleteJudgement(id);
      if (this.open?.info.id === id) this.open = null;
    } catch (error) {
      this.problem = errorSentence(error);
    }
    await this.refresh();
  }

  async #run(request: NewJudging | ContinuedJudging): Promise<void> {
    if (this.running) return;
    this.running = true;
    this.problem = null;
    this.update = null;
    this.open = null;
    this.#opening++;
    try {
      this.open = await this.#api().judge(request, (update) => (this.update = update));
    } catch (error) {
      if (labErrorCode(error) !== 'cancelled') this.problem = errorSentence(error);
    } finally {
      this.running = false;
      this.cancelling = false;
    }
    await this.refresh();
    // What was judged before it failed is worth a look.
    const [latest] = this.kept;
    const id = 'id' in request ? request.id : this.problem ? latest?.id : undefined;
    if (!this.open && id && this.kept.some((one) => one.id === id)) await this.view(id);
  }
}
