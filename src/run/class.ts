/**
 * Many people's runs as one experiment: a class, each with a seed of its own. Runs that were trained and asked alike stand in one picture, a
 * column a recipe, a cell the mean over training seeds of the share right at the run's end; what differs stands apart and is named. The
 * statistics are the picture's and the study's (`evaluate/picture.ts`, `evaluate/seeds.ts`); nothing is measured here, and nothing stored.
 */
import { heldOutCounts, heldOutMetrics, type HeldOutEvaluation, type HeldOutReply } from '../evaluate/held-out.ts';
import { heldOutPictureRows } from '../evaluate/held-out-picture.ts';
import { inOrder, type Cell, type Picture, type PictureRow, type Place } from '../evaluate/picture.ts';
import { claimOverSeeds, type Claim } from '../evaluate/seeds.ts';
import { libraryOf } from '../persona/libraries.ts';
import { askingOf } from '../rl/asking.ts';
import type { RecipeName, RunConfig } from '../rl/config.ts';
import { differences, runTitle, settingName, settingValue } from '../rl/differences.ts';
import { recipes } from '../rl/recipes.ts';
import { mean } from '../statistics/moments.ts';
import { taskWords } from '../tasks/names.ts';
import type { RunRecord } from '../storage/records.ts';

export interface ClassRun {
  /** What sentences call it: its file, or the run itself. */
  readonly name: string;
  readonly run: Pick<RunRecord, 'config' | 'origin'>;
  /** Ascending steps. */
  readonly heldOut: readonly HeldOutEvaluation[];
}

/** One training of a column. */
export interface ClassSeed extends ClassRun {
  readonly seed: number;
  /** Its last answers, of a policy that was trained. */
  readonly end: HeldOutEvaluation;
}

export interface ClassColumn {
  readonly key: string;
  readonly recipe: RecipeName;
  readonly title: string;
  /** Ascending, each once. */
  readonly seeds: readonly ClassSeed[];
}

/** Whose run it is, with its seed, where the name does not say it. */
export const seedName = ({ name, seed }: Pick<ClassSeed, 'name' | 'seed'>): string =>
  new RegExp(`\\bseed ${seed}\\b`).test(name) ? name : `${name}, seed ${seed}`;

/** Runs that differ in nothing but their recipe and their seed. */
export interface ClassExperiment {
  readonly columns: readonly ClassColumn[];
  /** What the policy answered before it was trained; null where nobody asked. */
  readonly base: HeldOutEvaluation | null;
  readonly picture: Picture;
  /** Trainings that it stands on. */
  readonly runs: number;
  /** To every row. */
  readonly questions: number;
  /** Of what they are. */
  readonly tasks: RunConfig['tasks'];
  /** Steps that were trained when the questions were asked. */
  readonly step: number;
  /** PSS of PerMix over that of RLVR, over the seeds that both were trained with; null where there is none. */
  readonly claim: Claim | null;
  /** What all of it have in common. */
  readonly settings: Settings;
}

export interface ClassResult {
  /** The one with most trainings first. */
  readonly experiments: readonly ClassExperiment[];
  /** Runs that are in none of them, each a sentence with its name. */
  readonly leftOut: readonly string[];
}

export const classHeading = 'What did all of these runs find together?';

export const classCaption = ({ questions, tasks, step, runs }: ClassExperiment): string =>
  `${runs} training${runs === 1 ? '' : 's'}, ${questions} held-out questions a row (${taskWords(tasks)}) after step ${step}, the most likely reply`;

/** What has to be equal, by name. A recipe's own part, which is what is compared, is not among it. */
type Settings = Readonly<Record<string, unknown>>;

export function classOf(runs: readonly ClassRun[]): ClassResult {
  const leftOut: string[] = [];
  const groups: { readonly settings: Settings; readonly columns: { readonly arm: Arm; readonly seeds: ClassSeed[] }[] }[] = [];
  for (const run of runs) {
    const { config } = run.run;
    const end = run.heldOut.at(-1);
    const why = whyNot(config, end);
    if (why !== null || !end) {
      leftOut.push(`${run.name} ${why}.`);
      continue;
    }
    const settings = settingsOf(run, end);
    let group = groups.find((other) => differences(other.settings, settings).length === 0);
    if (!group) groups.push((group = { settings, columns: [] }));
    const arm = armOf(config);
    let column = group.columns.find((other) => differences(other.arm, arm).length === 0);
    if (!column) group.columns.push((column = { arm, seeds: [] }));
    const { seed } = config;
    const same = column.seeds.find((other) => other.seed === seed);
    if (same) leftOut.push(`${run.name} has seed ${seed} of ${titleOf(arm)}, as ${same.name} has: a seed counts once.`);
    else column.seeds.push({ ...run, seed, end });
  }
  const experiments = groups
    .map(({ settings, columns }) =>
      experimentOf(
        settings,
        inOrder(
          columns.map(({ arm, seeds }, at) => ({
            key: JSON.stringify(arm),
            recipe: arm.recipe,
            title: distinctTitle(
              columns.map((column) => titleOf(column.arm)),
              at,
            ),
            seeds: seeds.toSorted((a, b) => a.seed - b.seed),
          })),
        ),
      ),
    )
    .sort((a, b) => b.runs - a.runs);
  return { experiments, leftOut };
}

/** The end of a sentence that begins with the run's name; null for a run that can be in the picture. */
function whyNot(config: RunConfig, end: HeldOutEvaluation | undefined): string | null {
  if (!end) return 'asked no held-out questions on its way, so there is nothing to show of it';
  if (config.recipe === 'base' || config.optim.learningRate === 0)
    return 'learns nothing: the base column is what every run answered before its first step';
  if (end.step === 0) {
    const first = Math.min(config.heldOut.every, config.steps);
    return `needs at least ${first} step${first === 1 ? '' : 's'} (its questions are asked every ${config.heldOut.every}); continue it`;
  }
  return null;
}

function settingsOf({ run: { config, origin } }: ClassRun, { step, rows }: HeldOutEvaluation): Settings {
  const { policy, tasks, promptsPerStep, groupSize, sampling, optim, lora } = config;
  const { library, ...asking } = askingOf(config);
  // How a batch is cut changes no more than rounding.
  const { microBatchRows: _, ...optimiser } = optim;
  return {
    policy,
    weights: origin?.identity['weights'],
    tasks,
    promptsPerStep,
    groupSize,
    sampling,
    optim: optimiser,
    lora,
    ...asking,
    library,
    step,
    // A constant learning rate does not know how long the run is.
    steps: optim.schedule === 'constant' ? undefined : config.steps,
    personas: rows.map(({ row, personaId }) => [row, personaId]),
    questions: rows[0]!.replies.map(({ question, answer }) => [question, answer]),
  };
}

/** "lr 0.001 instead of 0.0003", of an experiment that stands apart from the one on view. */
export function apart(shown: Settings, other: Settings): string {
  return differences(shown, other)
    .map(({ path, from, to }) => differenceWords(path, from, to))
    .join(', ');
}

function differenceWords(path: string, from: unknown, to: unknown): string {
  if (path === 'step') return `last asked after step ${String(to)} instead of ${String(from)}`;
  if (path === 'weights') return 'begun from other weights';
  if (path === 'personas') return 'asked under other personas';
  if (path === 'questions') {
    const [was, is] = [from, to].map((list) => (list as readonly unknown[]).length);
    return was === is ? 'asked other held-out questions' : `${is} held-out questions instead of ${was}`;
  }
  return `${[settingName(path), settingValue(path, to)].filter(Boolean).join(' ')} instead of ${settingValue(path, from)}`;
}

/** What a column is of. */
type Arm = Pick<RunConfig, 'recipe' | 'mix' | 'objective'>;

/** Own settings that are no recipe's own leave it the recipe it is: RLVR with another learning rate is RLVR. */
function armOf({ recipe, mix, objective }: RunConfig): Arm {
  const same =
    recipe === 'custom' &&
    (['rlvr', 'permix'] as const).find((name) => differences(recipes[name], { ...recipes[name], mix, objective }).length === 0);
  return { recipe: same || recipe, mix, objective };
}

const titleOf = (arm: Arm): string => runTitle({ ...recipes[arm.recipe === 'custom' ? 'permix' : arm.recipe], ...arm });

/** Two mixes of the reader's own have the same title, and are two columns. */
function distinctTitle(titles: readonly string[], at: number): string {
  const before = titles.slice(0, at).filter((title) => title === titles[at]).length;
  return before > 0 ? `${titles[at]} (${before + 1})` : titles[at]!;
}

function experimentOf(settings: Settings, columns: readonly ClassColumn[]): ClassExperiment {
  const { end } = columns[0]!.seeds[0]!;
  const { personas, voices } = libraryOf(columns[0]!.seeds[0]!.run.config.library);
  const rows = heldOutPictureRows(end, personas, voices);
  const all = columns.flatMap(({ seeds }) => seeds);
  const base = baseOf(all);
  const picture: Picture = {
    rows,
    columns: [
      ...(base
        ? [
            {
              key: 'base',
              label: 'Base',
              recipe: 'base' as const,
              detail: 'before training',
              cells: countedCells(rows, base),
              chance: chanceOf([base]),
            },
          ]
        : []),
      ...columns.map(({ key, recipe, title, seeds }) => ({
        key,
        label: title,
        recipe,
        detail: `${seeds.length} seed${seeds.length === 1 ? '' : 's'}`,
        cells: rows.map((row): Cell => ({ values: seeds.map((seed) => shareOf(seed.end, row.key)) })),
        chance: chanceOf(seeds.map((seed) => seed.end)),
      })),
    ],
  };
  return {
    columns,
    base,
    picture,
    runs: all.length,
    questions: end.rows[0]!.replies.length,
    tasks: columns[0]!.seeds[0]!.run.config.tasks,
    step: end.step,
    claim: claimOf(columns),
    settings,
  };
}

/** What stands behind a cell: what each run of its column said, or the one base. Empty where there is no such cell. */
export function classReplies(
  { columns, base }: ClassExperiment,
  { row, column }: Place,
): readonly { readonly whose: string; readonly replies: readonly HeldOutReply[] }[] {
  const seeds = columns.find(({ key }) => key === column)?.seeds ?? [];
  const asked = column === 'base' ? (base ? [{ whose: '', end: base }] : []) : seeds.map((one) => ({ whose: seedName(one), end: one.end }));
  return asked.flatMap(({ whose, end }) => {
    const replies = end.rows.find((one) => one.row === row)?.replies;
    return replies ? [{ whose, replies }] : [];
  });
}

/** One policy, whose seeds are not of its training: what most runs heard of it before their first step. Engines may differ in a tie. */
function baseOf(seeds: readonly ClassSeed[]): HeldOutEvaluation | null {
  const heard = new Map<string, HeldOutEvaluation[]>();
  for (const { heldOut } of seeds) {
    const first = heldOut[0];
    if (first?.step !== 0 || first.rows.length === 0) continue;
    const key = JSON.stringify(first.rows.map(({ row, replies }) => [row, replies.map(({ correct }) => correct)]));
    heard.set(key, [...(heard.get(key) ?? []), first]);
  }
  return [...heard.values()].sort((a, b) => b.length - a.length)[0]?.[0] ?? null;
}

const countedCells = (rows: readonly PictureRow[], evaluation: HeldOutEvaluation): (Cell | null)[] =>
  rows.map(({ key }) => {
    const count = heldOutCounts(evaluation).find(({ row }) => row === key);
    return count ? { right: count.right, total: count.asked } : null;
  });

function shareOf(evaluation: HeldOutEvaluation, key: string): number {
  const { right, asked } = heldOutCounts(evaluation).find(({ row }) => row === key)!;
  return right / asked;
}

function chanceOf(evaluations: readonly HeldOutEvaluation[]): number | null {
  const values = evaluations.map((evaluation) => heldOutMetrics(evaluation)['eval/pss_null']);
  return values.every((value) => value !== undefined) ? mean(values) : null;
}

function claimOf(columns: readonly ClassColumn[]): Claim | null {
  const usual = (recipe: 'rlvr' | 'permix') => columns.find(({ title }) => title === titleOf(recipes[recipe]))?.seeds ?? [];
  const pairs = usual('permix').flatMap(({ seed, end }) => {
    const other = usual('rlvr').find((one) => one.seed === seed);
    const [claimed, against] = [end, other?.end].map((one) => one && heldOutMetrics(one)['eval/pss']);
    return claimed === undefined || against === undefined ? [] : [{ seed, claimed, against }];
  });
  return pairs.length > 0 ? claimOverSeeds(pairs) : null;
}

/** "PSS of PerMix over that of RLVR: ×1.71, 95 % interval ×1.52 to ×1.93, 12 seeds of both." */
export function claimSentence({ ratio, low, high, seeds, reason }: Claim): string {
  const times = (value: number) => `×${value.toFixed(2)}`;
  const over = `${seeds} seed${seeds === 1 ? '' : 's'} of both`;
  if (ratio === null) return `PSS of PerMix over that of RLVR, ${over}: ${reason}`;
  if (low === null || high === null) return `PSS of PerMix over that of RLVR: ${times(ratio)}, ${over}. ${reason}`;
  return `PSS of PerMix over that of RLVR: ${times(ratio)}, 95 % interval ${times(low)} to ${times(high)}, ${over}.`;
}

/** `worst`, `mean` or `none` of a column over its steps: over seeds the mean, the lowest and the highest. */
export interface ClassCurve {
  readonly steps: readonly number[];
  readonly line: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** Of the steps that all its seeds were asked at. */
export function classCurve({ seeds }: ClassColumn, measure: 'eval/worst' | 'eval/mean' | 'eval/none'): ClassCurve {
  const asked = seeds.map(({ heldOut }) => new Map(heldOut.map((one) => [one.step, heldOutMetrics(one)[measure]])));
  const steps = [...asked[0]!.keys()].filter((step) => asked.every((one) => one.get(step) !== undefined)).sort((a, b) => a - b);
  const values = steps.map((step) => asked.map((one) => one.get(step)!));
  return {
    steps,
    line: values.map(mean),
    low: values.map((those) => Math.min(...those)),
    high: values.map((those) => Math.max(...those)),
  };
}
