/**
 * Every number that the stories, the worksheets and the teacher's page say, computed from what was run: the recorded race, the study over seeds
 * and the long runs without a KL term. `npm run teaching` keeps them in numbers.json, so that a card needs none of the large files.
 */
import { heldOutCounts, heldOutMetrics, noneRow, type HeldOutEvaluation } from '../../evaluate/held-out.ts';
import { analysis } from '../../evaluate/analysis.ts';
import { armValue, compare, type MeasureName } from '../../study/claims.ts';
import { paperFigures } from '../../study/paper.ts';
import type { RecordedRun, Recording } from '../../exchange/recording.ts';
import type { SeedGroup, StudyResults } from '../../study/results.ts';
import { personas, voices } from '../../persona/world.ts';
import { mean } from '../../statistics/moments.ts';

export interface Sources {
  readonly recording: Recording;
  readonly study: StudyResults;
  /** Without a KL term, and trained for longer. */
  readonly long: StudyResults;
}

export type StoryNumbers = ReturnType<typeof storyNumbers>;

/** Steps after which a class looks: as many as the page's race has. */
const classSteps = 30;

/** @throws Error where a number was not measured */
export function storyNumbers({ recording, study, long }: Sources) {
  return {
    world: {
      personas: personas.length,
      voices: voices.length,
      heldOut: personas.filter(({ heldOut }) => heldOut).length,
    },
    paper: {
      pss: found(paperFigures['permix-pss'], 'the paper').ratio,
      fidelity: found(paperFigures['permix-fidelity'], 'the paper').ratio,
    },
    race: raceNumbers(recording),
    study: studyNumbers(study),
    long: longNumbers(long),
  };
}

function raceNumbers({ runs, command, date, backend }: Recording) {
  const run = (recipe: string) =>
    found(
      runs.find(({ config }) => config.recipe === recipe),
      recipe,
    );
  const [rlvr, permix] = [run('rlvr'), run('permix')];
  const { steps, seed, promptsPerStep, groupSize } = rlvr.config;
  const base = found(rlvr.heldOut[0], 'the base');
  return {
    command,
    date: date.slice(0, 10),
    backend,
    seed,
    steps,
    classSteps,
    questions: found(base.rows[0], 'a row').replies.length,
    rollouts: promptsPerStep * groupSize,
    groupSize,
    personaShare: 1 - permix.config.mix.noneShare,
    beta: permix.config.objective.beta,
    base: column(base),
    rlvr: arm(rlvr),
    permix: arm(permix),
    /** Of both, up to the step where the class looks, on the machine of the recording. */
    seconds: Math.round(secondsOf(rlvr) + secondsOf(permix)),
  };
}

function arm({ heldOut, columns, config }: RecordedRun) {
  const at = (step: number) =>
    column(
      found(
        heldOut.find((one) => one.step === step),
        `step ${step}`,
      ),
    );
  const reward = columns['reward'] ?? [];
  const quietest = heldOut
    .flatMap((evaluation) => voicesOf(evaluation).map((voice) => ({ ...voice, step: evaluation.step })))
    .reduce((a, b) => (b.kept < a.kept ? b : a));
  return {
    early: at(classSteps),
    end: at(config.steps),
    firstReward: known(reward[0]),
    lastReward: known(reward.at(-1)),
    /** The voice that was least heard in any evaluation, and how it was heard at the end. */
    quietest: {
      ...quietest,
      atEnd: found(
        voicesOf(heldOut.at(-1)!).find(({ row }) => row === quietest.row),
        quietest.row,
      ).kept,
    },
  };
}

function secondsOf({ columns, heldOut }: RecordedRun): number {
  const training = (columns['step_time'] ?? []).slice(0, classSteps).reduce<number>((sum, seconds) => sum + known(seconds), 0);
  return training + heldOut.filter(({ step }) => step <= classSteps).reduce((sum, { seconds }) => sum + seconds, 0);
}

/** What one column of the picture says, in shares; `rows`: right answers of each voice. */
function column(evaluation: HeldOutEvaluation) {
  const metrics = heldOutMetrics(evaluation);
  const counts = heldOutCounts(evaluation).filter(({ row }) => row !== noneRow);
  const shares = counts.map(({ right, asked }) => right / asked);
  const worst = Math.min(...shares);
  return {
    none: known(metrics['eval/none']),
    worst: known(metrics['eval/worst']),
    mean: known(metrics['eval/mean']),
    best: Math.max(...shares),
    pss: known(metrics['eval/pss']),
    pssByChance: known(metrics['eval/pss_null']),
    voice: known(metrics['eval/voice']),
    worstVoices: counts.flatMap(({ row }, i) => (shares[i] === worst ? [voiceName(row)] : [])),
    rows: Object.fromEntries(counts.map(({ row, right }) => [row, right])),
  };
}

/** How many replies of each voice carry its markers. */
const voicesOf = ({ rows }: HeldOutEvaluation) =>
  rows
    .filter(({ row }) => row !== noneRow)
    .map(({ row, replies }) => ({ row, name: voiceName(row), kept: replies.filter(({ inVoice }) => inVoice).length }));

const voiceName = (row: string) => voices.find(({ id }) => id === row)?.name.toLowerCase() ?? row;

function studyNumbers(study: StudyResults) {
  const setting = `β ${analysis.headlineBeta}`;
  const armId = (recipe: string) =>
    found(
      study.arms.find((one) => one.recipe === recipe && (one.setting === setting || one.setting === null)),
      recipe,
    ).id;
  const heldOut = compare(study, 'pssHeldOut', armId('permix'), armId('rlvr'));
  const of = (recipe: string) => {
    const values = (measure: MeasureName) => found(armValue(study, armId(recipe), measure), measure);
    const value = (measure: MeasureName) => values(measure).mean;
    const bestOf = (k: number) =>
      mean(study.seeds.flatMap(({ runs }) => runs.filter((run) => run.arm === armId(recipe)).map(({ lottery }) => known(lottery[k - 1]))));
    return {
      pss: value('pss'),
      worst: value('worst'),
      mean: value('mean'),
      none: value('none'),
      fidelity: value('fidelity'),
      lowestFidelity: Math.min(...values('fidelity').values),
      highestFidelity: Math.max(...values('fidelity').values),
      lottery: { one: bestOf(1), five: bestOf(5), all: bestOf(study.personas.length) },
    };
  };
  const pooled = (id: string) => {
    const { sources, fresh, all } = found(
      study.together?.find((one) => one.id === id && one.setting === setting),
      id,
    );
    const { margin, reading } = found(all.equivalence, `equivalence of ${id}`);
    return { own: interval(found(sources[0], id)), fresh: interval(fresh), all: interval(all), margin, within: reading === 'equivalent' };
  };
  return {
    seeds: study.seeds.length,
    steps: study.study.steps,
    problems: study.study.examination.problems,
    personas: study.personas.length,
    base: of('base'),
    rlvr: of('rlvr'),
    permix: of('permix'),
    pss: pooled('permix-pss'),
    fidelity: pooled('permix-fidelity'),
    /** PSS over personas that training never met, PerMix over RLVR, the study's own seeds. */
    heldOut: { ratio: known(heldOut.ratio), low: known(heldOut.low), high: known(heldOut.high), seeds: heldOut.seeds },
  };
}

const interval = ({ ratio, low, high, seeds }: SeedGroup) => ({ ratio, low: known(low), high: known(high), seeds });

function longNumbers(long: StudyResults) {
  const runs = long.seeds.map(({ seed, runs: all }) => {
    const run = found(
      all.find(({ arm: id }) => long.arms.find((one) => one.id === id)?.recipe === 'permix'),
      'permix',
    );
    return {
      seed,
      worst: run.stability.all.min,
      none: run.accuracy.none,
      fidelity: known(run.fidelity?.headline),
      /** To the base, the last one that was measured, nats per token. */
      kl: known(run.curve?.kl.findLast((value) => value !== null)),
    };
  });
  const [fallen, ...others] = runs.toSorted((a, b) => a.fidelity - b.fidelity);
  return {
    steps: long.study.steps,
    seeds: runs.length,
    lowestWorst: Math.min(...runs.map(({ worst }) => worst)),
    fallen: found(fallen, 'a run'),
    others,
  };
}

function found<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`The stories need ${what}, which was not found.`);
  return value;
}

function known(value: number | null | undefined): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error('The stories need a number that was not measured.');
  return value;
}
