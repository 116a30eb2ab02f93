/**
 * The judging the reader asks for, the one that is under way, and those that are kept. The key lives here, for as long as the page is open,
 * and goes to the worker with a request; it is stored nowhere.
 */
import { errorSentence } from '../errors.ts';
import { completionsUrl } from '../evaluate/judge/address.ts';
import type { Benchmark, BenchmarkPersona } from '../evaluate/judge/benchmark.ts';
import type { RubricName } from '../evaluate/judge/scale.ts';
import type { JudgementSettings } from '../storage/judgements.ts';
import type { TrainerApi } from '../worker/api.ts';
import type { ContinuedJudging, NewJudging } from '../worker/judge-api.ts';
import { Examination, wholeBetween, type BaseChoice } from './examination.svelte.ts';

export class Judging extends Examination<'judgement'> {
  benchmark = $state.raw<Benchmark | null>(null);
  /** What is wrong with the file that was chosen. */
  fileProblem = $state<string | null>(null);
  address = $state('');
  model = $state('');
  key = $state('');
  personas = $state<number | null>(10);
  questions = $state<number | null>(2);
  /** The bundled policy reads 128 tokens; what a reply may take is missing for the question. */
  maxNewTokens = $state<number | null>(20);
  seed = $state<number | null>(1);
  rubric = $state<RubricName>('personagym');

  constructor(
    api: () => TrainerApi,
    private readonly base: (checkpoints: readonly string[]) => BaseChoice,
  ) {
    super('judgement', api);
  }

  /** The first look at the view: what is kept, and the judge that was asked last. */
  async begin(newest: string | null): Promise<void> {
    const latest = await this.first(newest);
    if (!latest) return;
    this.address ||= latest.judge.address;
    this.model ||= latest.judge.model;
    if (!this.open && !this.running) await this.view(latest.id);
  }

  /** The benchmark, or role files of Assistant Axis, which no other rubric fits. */
  async read(files: readonly File[]): Promise<void> {
    this.fileProblem = null;
    try {
      const { checkBenchmarkSize, joinBenchmarks, parseBenchmark } = await import('../evaluate/judge/benchmark.ts');
      const all: Benchmark[] = [];
      for (const file of files) {
        checkBenchmarkSize(file.name, file.size);
        all.push(parseBenchmark(await file.text(), file.name));
      }
      this.benchmark = all.length === 1 ? all[0]! : joinBenchmarks(all, `${all.length} files`);
      if (this.benchmark.personas.every(hasRoleQuestions)) this.rubric = 'role';
    } catch (error) {
      this.fileProblem = errorSentence(error);
    }
  }

  get settings(): JudgementSettings {
    return {
      ...this.base(this.checkpoints),
      checkpoints: [...this.checkpoints],
      personas: this.personas ?? 0,
      questions: this.questions ?? 0,
      temperature: 0.9,
      maxNewTokens: this.maxNewTokens ?? 0,
      seed: this.seed ?? 0,
      ...(this.rubric === 'personagym' ? {} : { rubric: this.rubric }),
    };
  }

  /** Verdicts that will be asked for, at most: questions that a policy cannot read fall away. */
  get most(): number {
    const personas = Math.min(this.personas ?? 0, this.benchmark?.personas.length ?? Infinity);
    const tasks = Math.max(1, ...(this.benchmark?.personas ?? []).map(({ questions }) => Object.keys(questions).length));
    return (this.checkpoints.length + 1) * personas * (this.benchmark ? tasks : 5) * (this.questions ?? 0);
  }

  get openId(): string | null {
    return this.open?.info.id ?? null;
  }

  get obstacle(): string | null {
    if (!this.benchmark) return 'Choose your copy of the benchmark first.';
    try {
      completionsUrl(this.address);
    } catch (error) {
      return errorSentence(error);
    }
    if (this.rubric === 'personagym' && this.benchmark.personas.every(hasRoleQuestions))
      return 'These are questions of roles: choose the score “in the role”.';
    if (this.model.trim() === '') return 'Give the name of the model that judges.';
    if (!wholeBetween(this.personas, 1, 200)) return 'Personas: a whole number from 1 to 200.';
    if (!wholeBetween(this.questions, 1, 10)) return 'Questions of each task: a whole number from 1 to 10.';
    if (!wholeBetween(this.maxNewTokens, 1, 256)) return 'Longest answer: a whole number of tokens from 1 to 256.';
    if (!wholeBetween(this.seed, 0, 0xffffffff)) return 'Seed: a whole number from 0.';
    if (this.checkpoints.length > 5) return 'Choose at most five policies beside the base.';
    return null;
  }

  async run(): Promise<void> {
    if (this.obstacle || !this.benchmark) return;
    await this.start({
      settings: this.settings,
      benchmark: this.benchmark,
      access: { address: this.address, model: this.model, key: this.key || null },
    });
  }

  protected continuing(id: string, accept: readonly string[]): ContinuedJudging {
    return { id, key: this.key || null, accept };
  }

  protected override async start(request: NewJudging | ContinuedJudging): Promise<void> {
    await super.start(request);
    // What was judged before it failed is worth a look.
    const [latest] = this.kept;
    const id = 'id' in request ? request.id : this.problem ? latest?.id : undefined;
    if (!this.open && id && this.kept.some((one) => one.id === id)) await this.view(id);
  }
}

const hasRoleQuestions = ({ questions }: BenchmarkPersona): boolean => questions.role !== undefined;
