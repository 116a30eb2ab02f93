/**
 * `permix reproduce`: the paper's comparison, an ablation or a sweep, headless. Plans the runs, lets processes of their own work through
 * them (`reproduce-run.ts`), and writes what they found: results.json, README.md, figures. Every finished run is kept in a working folder outside the
 * checkout; the same command goes on where it was stopped.
 */
import type { EngineRequest } from '../engine/engine.ts';
import { sum } from '../statistics/moments.ts';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { availableParallelism, homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { LabError } from '../errors.ts';
import { analysis, declaredExamination, type Examination } from '../evaluate/analysis.ts';
import { studyFiles, summaryLines } from '../study/files.ts';
import { readStudy } from '../study/read-study.ts';
import { misshapen } from '../schema.ts';
import { resultShape } from '../study/shapes.ts';
import { parseOthers, together } from '../study/together.ts';
import { isWholeCurve, resultsFormat, resultsVersion, type StudyResults } from '../study/results.ts';
import { personaPlace } from '../persona/place.ts';
import { personas } from '../persona/world.ts';
import { fingerprintOf } from '../policy/fingerprint.ts';
import { loadPolicy } from '../policy/policy.ts';
import { sha256 } from '../policy/sha256.ts';
import { shellWord, type Arguments } from './arguments.ts';
import { readJson, readSealed, readWhole, replaceFile } from './files.ts';
import { holdFolder } from './folder-lock.ts';
import { bundledPolicy, policySource } from './folder.ts';
import { tryFolder } from './output-files.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { runJobs } from './reproduce-jobs.ts';
import { hashOf, planRuns, secondsOf, type BasePolicy, type PlannedRun, type StudyPlan } from './reproduce-plan.ts';
import type { RunPlan, StoredResult } from './reproduce-run.ts';
import { ablations, comparison, methods, sweep, worldNeeds } from './reproduce-studies.ts';
import { stopSignal } from './stop.ts';
import { version } from '../../package.json';

interface Request {
  readonly study: StudyPlan;
  readonly seeds: readonly number[];
  readonly steps: number;
  readonly examination: Examination;
  /** Folders of the policies runs begin from. */
  readonly bases: readonly string[];
  /** Null: a rehearsal, whose page stays in the working folder. */
  readonly out: string | null;
  readonly work: string | null;
  readonly jobs: number;
  readonly engineRequest: EngineRequest;
}

export async function reproduceCommand(args: Arguments, out: Output): Promise<number> {
  const run = args.text('run');
  if (run !== undefined) return (await import('./reproduce-run.ts')).runOne(resolve(run));
  if (args.flag('redraw')) return redraw(args, out);
  const request = await readRequest(args);
  const { study, seeds, steps, examination, engineRequest } = request;
  if (request.out !== null) await tryFolder('out', request.out);

  const bases = await Promise.all(request.bases.map(readBase));
  const work = request.work ?? defaultWork(bases[0]!, engineRequest);
  const held = await holdFolder(work, { otherwise: 'give this study another --work' });
  const stop = stopSignal('Stopping; every run saves what it has.', () => children.forEach((child) => child.kill('SIGINT')));
  const children = new Set<ChildProcess>();
  try {
    const bench = await prepareBench(work, bases, engineRequest);
    const runs = planRuns(study, { seeds, steps, examination, bases: bench.bases, engineRequest });
    const folderOf = (key: string) => join(work, 'runs', key);
    const before = new Set<string>();
    for (const run of runs) if (await storedResult(run, folderOf(run.key))) before.add(run.key);
    const jobs = Math.min(request.jobs, runs.length);
    const together = jobs === 1 ? 'one at a time' : `${jobs} at a time`;
    notice(`${study.title}: ${runs.length} runs, ${before.size} of them finished before, ${together}. Working files: ${work}`);

    const meter = new Meter(runs, before, examination);
    const failures = await runJobs(
      {
        runs,
        finished: before,
        jobs,
        program: bench.program,
        options: ['--engine', engineRequest.engine!, '--backend', engineRequest.backend!],
        folderOf,
        prepare: async (planned) => {
          await mkdir(folderOf(planned.key), { recursive: true });
          const plan: RunPlan = {
            key: planned.key,
            seed: planned.seed,
            config: planned.config,
            base: planned.base.folder,
            teacher: planned.teacher && join(folderOf(planned.teacher), 'train', 'policy'),
            baseRun: planned.baseRun && folderOf(planned.baseRun),
            examination,
            engineRequest,
            build: bench.build,
          };
          await replaceFile(join(folderOf(planned.key), 'config.json'), JSON.stringify(planned.config));
          await replaceFile(join(folderOf(planned.key), 'plan.json'), JSON.stringify(plan));
        },
        onEvent: (planned, event) => meter.event(planned, event),
        onFinished: (planned) => meter.finished(planned),
        signal: stop.signal,
      },
      children,
    );
    meter.done();
    for (const { run: failed, message } of failures) notice(`${failed.arm}, seed ${failed.seed} failed: ${message}`);
    if (stop.signal.aborted) {
      notice(`Stopped with ${meter.count} of ${runs.length} runs finished; the same command continues.`);
      return 130;
    }
    if (failures.length > 0) {
      const them = failures.length === 1 ? 'A run' : `${failures.length} runs`;
      throw new LabError(
        'config',
        `${them} failed, so there is no result yet.`,
        'Correct what is said above; the same command does the rest.',
      );
    }
    const folder = request.out ?? join(work, 'quick');
    const results = await withOthers(folder, await collect(request, runs, folderOf, bench.bases[0]!, bases[0]!, commandOf()));
    await writeStudy(folder, results);
    out.object(results);
    for (const line of summaryLines(results)) out.line(line);
    notice(`Wrote ${folder}.`);
    return 0;
  } finally {
    stop.release();
    await held.release();
  }
}

/** @throws LabError 'usage' */
async function readRequest(args: Arguments): Promise<Request> {
  const quick = args.flag('quick');
  const name = args.text('ablation');
  const file = args.text('sweep');
  if (name !== undefined && file !== undefined) throw args.wrong('--ablation and --sweep exclude each other.');
  const special = name !== undefined || file !== undefined;
  for (const option of ['methods', 'beta']) {
    if (special && args.text(option) !== undefined)
      throw args.wrong(`--${option} belongs to the comparison of methods, not to --ablation or --sweep.`);
  }
  const base = args.text('base');
  let study: StudyPlan;
  let bases = [base === undefined ? bundledPolicy : resolve(base)];
  if (name !== undefined) {
    const ablation = ablations[args.choice('ablation', Object.keys(ablations))!]!;
    study = ablation.plan();
    if (name === 'world') {
      if (base === undefined) throw args.wrong(`--ablation world needs --base DIR. ${worldNeeds}`);
      bases = [bundledPolicy, resolve(base)];
    }
  } else if (file !== undefined) study = sweep(await readJson(file), basename(file));
  else study = comparison(chosenMethods(args, quick), betas(args, quick));
  const problems = args.integer('problems', 1, 100_000) ?? (quick ? 60 : declaredExamination.problems);
  const fidelity = args.integer('fidelity', 0, 10_000) ?? (quick ? 4 : declaredExamination.fidelityReplies);
  return {
    study,
    seeds: seedsOf(args, quick),
    steps: args.integer('steps', 1, 1_000_000) ?? (quick ? 40 : 300),
    examination: { problems, fidelityReplies: Math.min(problems, fidelity) },
    bases,
    out:
      args.text('out') === undefined && quick
        ? null
        : resolve(args.text('out') ?? join('docs', 'reproduction', ...(special ? [study.name] : []))),
    work: args.text('work') === undefined ? null : resolve(args.required('work')),
    jobs: args.integer('jobs', 1, 256) ?? availableParallelism(),
    // Both together, so that a study does not depend on what a machine happens to have.
    engineRequest: {
      engine: args.engineRequest.engine ?? 'portable',
      backend: args.engineRequest.backend ?? (args.engineRequest.engine === 'fused' ? 'webgpu' : 'wasm'),
    },
  };
}

function seedsOf(args: Arguments, quick: boolean): number[] {
  const seeds = (args.list('seeds') ?? (quick ? ['1', '2'] : ['1', '2', '3', '4', '5'])).map((text) => {
    const seed = Number(text);
    if (!/^\d+$/.test(text) || seed > 0xffffffff) throw args.wrong(`--seeds must be whole numbers such as 1,2,3; "${text}" is none.`);
    return seed;
  });
  const twice = seeds.find((seed, i) => seeds.indexOf(seed) < i);
  if (twice !== undefined) throw args.wrong(`Seed ${twice} is there twice; a repeated run adds no evidence.`);
  return seeds;
}

function betas(args: Arguments, quick: boolean): number[] {
  const list = (args.list('beta') ?? (quick ? [`${analysis.headlineBeta}`] : [`${analysis.headlineBeta}`, '0'])).map((text) => {
    const beta = Number(text);
    if (!(beta >= 0 && beta <= 10)) throw args.wrong(`--beta must be numbers from 0 to 10 such as 0,0.02; "${text}" is none.`);
    return beta;
  });
  if (new Set(list).size < list.length) throw args.wrong('--beta has a value twice.');
  return list;
}

function chosenMethods(args: Arguments, quick: boolean) {
  const list = args.list('methods') ?? (quick ? ['rlvr', 'permix'] : methods);
  const chosen = list.map((text) => {
    const method = methods.find((one) => one === text);
    if (!method) throw args.wrong(`--methods takes ${methods.join(', ')}; "${text}" is none of them.`);
    return method;
  });
  if (chosen.includes('distill') && !chosen.includes('permix')) throw args.wrong('--methods distill needs permix, which teaches it.');
  return chosen;
}

/** Identifies a policy by its parts. @throws LabError where it is not one that can be trained */
async function readBase(folder: string): Promise<BasePolicy> {
  const policy = await loadPolicy(await policySource(folder));
  if (!policy.tokenizer)
    throw new LabError('config', `${folder} has no tokenizer.json, so nothing can be asked of it.`, 'Give --base another folder.');
  const parts = await fingerprintOf(policy);
  return {
    id: basename(folder),
    hash: (await sha256(JSON.stringify(parts))).slice(0, 16),
    folder,
    ownPrompt: personaPlace(policy.tokenizer).ownPrompt,
  };
}

function defaultWork(base: BasePolicy, { engine, backend }: EngineRequest): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(cache, 'permix-lab', `reproduce-${base.id}-${base.hash.slice(0, 8)}-${engine}-${backend}`);
}

interface Bench {
  readonly program: string;
  readonly build: string;
  readonly bases: readonly BasePolicy[];
}

/** Copies of the program and of the policies: a checkout that changes during the hours of a study does not change the study. */
async function prepareBench(work: string, bases: readonly BasePolicy[], { backend }: EngineRequest): Promise<Bench> {
  const bundle = import.meta.dirname;
  const hash = createHash('sha256');
  for (const name of readdirSync(bundle).sort()) hash.update(name).update(await readFile(join(bundle, name)));
  const build = hash.digest('hex').slice(0, 12);
  const copy = async (from: string, to: string) => {
    if (existsSync(to)) return;
    const fresh = `${to}.new`;
    await rm(fresh, { recursive: true, force: true });
    await cp(from, fresh, { recursive: true });
    await rename(fresh, to);
  };
  await mkdir(join(work, 'policies'), { recursive: true });
  const copies: BasePolicy[] = [];
  for (const base of bases) {
    const folder = join(work, 'policies', base.hash, base.id);
    await mkdir(join(work, 'policies', base.hash), { recursive: true });
    await copy(base.folder, folder);
    copies.push({ ...base, folder });
  }
  // Dawn is a package beside the bundle, where a copy would not find it.
  if (backend === 'webgpu') return { program: join(bundle, 'permix.js'), build, bases: copies };
  await mkdir(join(work, 'builds'), { recursive: true });
  await copy(bundle, join(work, 'builds', build));
  return { program: join(work, 'builds', build, 'permix.js'), build, bases: copies };
}

/** How far the study is, in the time a machine takes for it. */
class Meter {
  readonly #done = new Map<string, number>();
  readonly #work: ReadonlyMap<string, { readonly train: number; readonly evaluate: number }>;
  readonly #runs: number;
  readonly #total: number;
  readonly #progress: Progress;
  #count: number;

  constructor(runs: readonly PlannedRun[], before: ReadonlySet<string>, examination: Examination) {
    this.#runs = runs.length;
    this.#count = before.size;
    this.#work = new Map(runs.map((run) => [run.key, secondsOf(run, examination)]));
    this.#total = sum([...this.#work.values()].map(({ train, evaluate }) => train + evaluate));
    for (const key of before) this.#done.set(key, this.#whole(key));
    this.#progress = new Progress('reproducing, %', 100, this.#percent);
  }

  get count(): number {
    return this.#count;
  }

  event(run: PlannedRun, event: Readonly<Record<string, unknown>>): void {
    const { train, evaluate } = this.#work.get(run.key)!;
    const step = event['step'];
    const share = event['evaluated'];
    if (typeof step === 'number') this.#done.set(run.key, (train * step) / run.config.steps);
    else if (typeof share === 'number') this.#done.set(run.key, train + evaluate * share);
    const doing = typeof step === 'number' ? `step ${step}` : 'examined';
    this.#progress.at(this.#percent, `${this.#count} of ${this.#runs} runs, ${run.arm} seed ${run.seed} ${doing}`);
  }

  finished(run: PlannedRun): void {
    this.#count++;
    this.#done.set(run.key, this.#whole(run.key));
  }

  done(): void {
    this.#progress.done();
  }

  #whole(key: string): number {
    const { train, evaluate } = this.#work.get(key)!;
    return train + evaluate;
  }

  get #percent(): number {
    return (100 * sum([...this.#done.values()])) / this.#total;
  }
}

async function collect(
  { study, seeds, steps, examination, engineRequest }: Request,
  runs: readonly PlannedRun[],
  folderOf: (key: string) => string,
  base: BasePolicy,
  original: BasePolicy,
  command: string,
): Promise<StudyResults> {
  const stored = await Promise.all(
    runs.map(async (run) => {
      const result = await storedResult(run, folderOf(run.key));
      if (!result)
        throw new LabError('format', `There is no whole result in ${folderOf(run.key)}.`, 'The same command does that run again.');
      return { ...result, arm: run.arm, base: run.base.id, teacher: run.teacher };
    }),
  );
  return {
    format: resultsFormat,
    version: resultsVersion,
    study: {
      name: study.name,
      title: study.title,
      command,
      date: stored.map(({ finished }) => finished).reduce((a, b) => (b > a ? b : a)),
      base: {
        id: base.id,
        hash: base.hash,
        bundled: original.folder === bundledPolicy,
        ...(original.ownPrompt == null ? {} : { ownPrompt: original.ownPrompt }),
      },
      hash: hashOf([runs.map(({ key }) => key).sort(), engineRequest]),
      steps,
      analysis,
      examination,
      versions: { 'permix-lab': version, node: process.versions.node },
      reference: study.reference,
    },
    arms: study.arms.map(({ id, label, recipe, setting }) => ({ id, label, recipe, setting })),
    personas: personas.map(({ id, name, voice, kind, heldOut }) => ({ id, name, voice, kind, heldOut })),
    seeds: seeds.map((seed) => ({
      seed,
      runs: study.arms.map(({ id }) => stored.find((one) => one.arm === id && one.seed === seed)!),
    })),
  };
}

/** What a finished run found; null for one that is not finished, or whose result is not whole, which is then done again. */
async function storedResult({ key, config }: PlannedRun, folder: string): Promise<StoredResult | null> {
  const file = join(folder, 'result.json');
  if (!existsSync(file)) return null;
  // Results of before there were seals are good as well.
  const sealed = (await readWhole(file)).includes('"seal"');
  const content: unknown = sealed ? await readSealed(file) : await readJson(file).catch(() => null);
  const result = misshapen(resultShape, content) === null ? (content as StoredResult) : null;
  if (result?.key === key && (config.recipe === 'base' || (result.curve && isWholeCurve(result.curve, config.steps)))) return result;
  notice(`${file} does not hold the whole of its run, which is examined again.`);
  return null;
}

async function writeStudy(folder: string, results: StudyResults): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(studyFiles(results))) await replaceFile(join(folder, name), content);
}

/** README and figures anew from results.json, which is all they are made of. */
async function redraw(args: Arguments, out: Output): Promise<number> {
  const folder = resolve(args.text('out') ?? join('docs', 'reproduction'));
  const file = join(folder, 'results.json');
  if (!existsSync(file)) throw args.wrong(`There is no ${file} to redraw.`);
  const results = await readResults(file);
  const complete = await withOthers(folder, results);
  await writeStudy(folder, complete);
  out.object(complete);
  for (const line of summaryLines(complete)) out.line(line);
  return 0;
}

/** With what others.json beside the study tells of other seeds, where there is such a file. */
async function withOthers(folder: string, { together: _, ...results }: StudyResults): Promise<StudyResults> {
  const file = join(folder, 'others.json');
  if (!existsSync(file)) return results;
  const { setting, sources } = parseOthers(await readJson(file), file);
  const read = await Promise.all(
    sources.map(async (source) => ({ source, results: source.results ? await readResults(join(folder, source.results)) : null })),
  );
  return { ...results, together: together(results, setting, read) };
}

async function readResults(file: string): Promise<StudyResults> {
  return readStudy((await readWhole(file)).toString('utf8'), file, 'Restore it, or run the study again.');
}

function commandOf(): string {
  // Where the working files lay and how many runs went at once decides nothing.
  const words = process.argv.slice(3);
  const told = words.filter((word, i) => !/^--(work|jobs)(=|$)/.test(word) && !/^--(work|jobs)$/.test(words[i - 1] ?? ''));
  return ['npm run reproduce --', ...told.map(shellWord)].join(' ');
}
