/**
 * Whether a run configuration can be run, in sentences a reader can act on. Shapes and ranges are checked here by
 * zod, at the borders where configurations come from files, links and command lines; sense is checked by hand.
 */
import { projections } from '../policy/adapters.ts';
import { advantageKinds, klEstimators } from '../engine/engine.ts';
import { complaintSentence, LabError, type Complaint } from '../errors.ts';
import { checkMix } from '../persona/mix.ts';
import { parsePersonas } from '../persona/file.ts';
import type { Library } from '../persona/library-names.ts';
import { mostOwnPersonas } from '../persona/library-names.ts';
import { libraryNames, type LibraryName } from '../persona/library-names.ts';
import { personaDraws, type Persona } from '../persona/persona.ts';
import { noSystemKinds, systemPlaces } from '../policy/template-settings.ts';
import { z } from '../schema.ts';
import { checkKnobs, tasks } from '../tasks/index.ts';
import { setKinds } from '../tasks/sets/columns.ts';
import type { SetChoice } from '../tasks/source.ts';
import { answerForms, findTooLittle } from '../verify/answer-forms.ts';
import { askingOf, withoutUsual } from './asking.ts';
import { rewardChoice, rewardComplaints } from './check-rewards.ts';
import { objectiveNames, recipeNames, schedules, type RunConfig } from './config.ts';
import { presetObjective } from './objectives.ts';
import { recipes } from './recipes.ts';

const share = z.number().check(z.minimum(0), z.maximum(1));
const nonNegative = z.number().check(z.minimum(0));
const count = (low: number, high: number) => z.int().check(z.minimum(low), z.maximum(high));

/** A page of it is a document, and no instruction. */
const longestInstruction = 2000;

// Whether its personas make sense is said by `parsePersonas`.
const ownLibrary = z.strictObject({
  name: z.string().check(z.minLength(1)),
  voices: z._default(z.array(z.record(z.string(), z.json())), []),
  personas: z.array(z.record(z.string(), z.json())).check(z.minLength(1)),
  source: z.optional(z.string()),
  licence: z.optional(z.string()),
});

/** Exported for who lists its fields (`settings.ts`). */
export const runConfig = z.strictObject({
  recipe: z.enum(recipeNames),
  seed: count(0, 0xffffffff),
  steps: count(1, 1_000_000),
  policy: z.string().check(z.minLength(1)),
  tasks: z
    .array(
      z.strictObject({
        id: z.string().check(z.minLength(1)),
        weight: nonNegative,
        knobs: z.optional(z.record(z.string(), z.number())),
        set: z.optional(
          z.strictObject({
            sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
            questions: count(2, 100_000_000),
            kind: z.enum(setKinds),
            columns: z.optional(z.strictObject({ question: z.string(), answer: z.string() })),
            heldOut: z.optional(z.strictObject({ share: z.number().check(z.gt(0), z.lt(1)), seed: count(0, 0xffffffff) })),
          }),
        ),
      }),
    )
    .check(z.minLength(1)),
  mix: z.strictObject({ noneShare: share, weights: z.record(z.string(), nonNegative), draw: z.enum(personaDraws) }),
  promptsPerStep: count(1, 1024),
  groupSize: count(2, 256),
  objective: z.strictObject({
    name: z.enum(objectiveNames),
    advantage: z.enum(advantageKinds),
    epsilonLow: share,
    epsilonHigh: nonNegative,
    beta: nonNegative,
    kl: z.enum(klEstimators),
    entropyCoef: z.number(),
    innerEpochs: count(1, 16),
    maskTruncated: z.boolean(),
    overlongBuffer: count(0, 4096),
    dynamicSampling: count(0, 16),
  }),
  sampling: z.strictObject({
    temperature: z.number().check(z.gt(0), z.maximum(10)),
    topK: count(0, 1_000_000),
    topP: z.number().check(z.gt(0), z.maximum(1)),
    minP: share,
    maxNewTokens: count(1, 4096),
  }),
  optim: z.strictObject({
    learningRate: nonNegative,
    schedule: z.enum(schedules),
    warmupSteps: count(0, 1_000_000),
    beta1: z.number().check(z.minimum(0), z.lt(1)),
    beta2: z.number().check(z.minimum(0), z.lt(1)),
    eps: z.number().check(z.gt(0)),
    weightDecay: nonNegative,
    maxGradNorm: nonNegative,
    microBatchRows: count(0, 1_000_000),
  }),
  checkpointEvery: count(0, 1_000_000),
  heldOut: z.strictObject({ questions: count(0, 1000), every: count(1, 1_000_000) }),
  lora: z.nullable(
    z.strictObject({
      rank: count(1, 1024),
      alpha: z.number().check(z.gt(0)),
      targets: z.optional(z.array(z.enum(projections)).check(z.minLength(1))),
      layers: z.optional(z.array(count(0, 100_000)).check(z.minLength(1))),
    }),
  ),
  rewards: z.optional(z.array(rewardChoice).check(z.minLength(1))),
  library: z.optional(z.union([z.enum(libraryNames), ownLibrary])),
  noPersona: z.optional(z.enum(noSystemKinds)),
  noSystemRole: z.optional(z.enum(systemPlaces)),
  instruction: z.optional(z.string().check(z.maxLength(longestInstruction))),
  answers: z.optional(z.array(z.enum(answerForms)).check(z.minLength(1))),
  templateArguments: z.optional(z.record(z.string(), z.json())),
});

/**
 * Reads a configuration from JSON. What it leaves out is taken from its recipe (`permix` where it names none), so
 * `{ "recipe": "rlvr", "seed": 7 }` is a whole configuration.
 * @throws LabError 'config' that names every field that is wrong
 */
export function parseRunConfig(json: unknown): RunConfig {
  if (!isRecord(json)) throw wrongConfig(['it must be a JSON object.']);
  const recipe = json['recipe'] ?? 'permix';
  const base = recipe === 'custom' ? recipes.permix : Object.entries(recipes).find(([name]) => name === recipe)?.[1];
  if (!base) throw wrongConfig([unknownRecipe(recipe)]);
  const result = runConfig.safeParse(changedSettings(base, { ...json, recipe }));
  if (!result.success) throw wrongConfig(result.error.issues.map((issue) => complaintSentence(issueComplaint(issue))));
  const { library, ...others } = result.data;
  return withoutUsual({ ...others, ...(library === undefined ? {} : { library: readLibrary(library) }) });
}

/** The reader's own with every field of a persona. @throws LabError 'format' naming the persona */
function readLibrary(library: string | z.infer<typeof ownLibrary>): Library {
  if (typeof library === 'string') return library as LibraryName;
  const { name, ...content } = library;
  return { name, ...parsePersonas(JSON.stringify(content), name) };
}

/** What keeps something from being a configuration at all, whatever sense it makes; empty when nothing does. */
export function shapeComplaints(config: unknown): Complaint[] {
  const result = runConfig.safeParse(config);
  return result.success ? [] : result.error.issues.map(issueComplaint);
}

/** What keeps a configuration from being run with this persona library; empty when nothing does. */
export function checkConfig(config: RunConfig, personas: readonly Persona[]): Complaint[] {
  const shape = shapeComplaints(config);
  if (shape.length > 0) return shape;
  const { objective, sampling } = config;
  const complaints = config.tasks.flatMap(({ id, knobs, set }) => {
    if (set) return setComplaints(config, id, set);
    const task = tasks.find((candidate) => candidate.id === id);
    const known = tasks.map((candidate) => candidate.id).join(', ');
    if (!task) return [{ field: 'tasks', problem: `There is no task "${id}"; there are ${known}.` }];
    return checkKnobs(task, knobs ?? {});
  });
  const wrong = (field: string, problem: string) => complaints.push({ field, problem });
  if (config.tasks.every(({ weight }) => weight === 0)) wrong('tasks', 'Every task has weight 0; give at least one of them more.');
  complaints.push(...checkMix(config.mix, personas), ...askingComplaints(config), ...rewardComplaints(config));
  if (objective.beta > 0 && objective.kl === 'none') {
    wrong('objective.beta', `{} is ${objective.beta} but objective.kl is "none"; choose an estimator (k3) or set beta to 0.`);
  }
  if (objective.overlongBuffer > sampling.maxNewTokens) {
    wrong(
      'objective.overlongBuffer',
      `{} (${objective.overlongBuffer}) is longer than the longest completion (${sampling.maxNewTokens} tokens).`,
    );
  }
  return complaints;
}

function setComplaints({ recipe, tasks: all }: RunConfig, id: string, { kind, columns }: SetChoice): Complaint[] {
  const complaints: Complaint[] = [];
  const wrong = (problem: string) => complaints.push({ field: 'tasks', problem });
  if (all.filter((other) => other.id === id).length > 1 || tasks.some((task) => task.id === id))
    wrong(`There is more than one source called ${JSON.stringify(id)}; rename the file.`);
  if ((kind === 'columns') !== (columns !== undefined))
    wrong(`The set ${id} names columns without the kind "columns", or the other way round.`);
  if (recipe === 'sft' && kind === 'countdown') wrong(`The set ${id} has no solutions to learn from; supervised fine-tuning needs them.`);
  return complaints;
}

function askingComplaints(config: RunConfig): Complaint[] {
  const { library, answers } = askingOf(config);
  const complaints: Complaint[] = [];
  if (typeof library !== 'string') {
    const { length } = library.personas;
    if (length > mostOwnPersonas) {
      complaints.push({ field: 'library', problem: `${library.name} has ${length} personas; a run takes at most ${mostOwnPersonas}.` });
    }
    try {
      readLibrary(library as unknown as z.infer<typeof ownLibrary>);
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      complaints.push({ field: 'library', problem: error.what });
    }
  }
  if (new Set(answers).size < answers.length) complaints.push({ field: 'answers', problem: '{} names a form twice.' });
  const asked = config.tasks.flatMap(({ id, weight, set }) => (weight > 0 && !set ? (tasks.find((task) => task.id === id) ?? []) : []));
  const other = asked.find((task) => findTooLittle(task, answers));
  if (other) {
    const problem = `A reply to the task "${other.id}" is more than its last number; let {} have another form before it, such as boxed.`;
    complaints.push({ field: 'answers', problem });
  }
  return complaints;
}

function wrongConfig(complaints: readonly string[]): LabError {
  return new LabError('config', `The run configuration cannot be used: ${complaints.join(' ')}`, 'Correct it and start again.');
}

function unknownRecipe(recipe: unknown): string {
  return `there is no recipe ${JSON.stringify(recipe)}; there are ${recipeNames.join(', ')}.`;
}

/** zod/mini carries no messages of its own. */
function issueComplaint(issue: z.core.$ZodIssue): Complaint {
  return { field: issue.path.join('.'), problem: `{} ${issueProblem(issue)}` };
}

function issueProblem(issue: z.core.$ZodIssue): string {
  // Its other complaints cannot come from this schema.
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${issue.expected === 'int' ? 'a whole number' : `a ${issue.expected}`}.`;
    case 'too_small':
      return issue.origin === 'array' || issue.origin === 'string'
        ? 'must not be empty.'
        : `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}.`;
    case 'too_big':
      return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}.`;
    case 'invalid_value':
      return `must be one of ${issue.values.join(', ')}.`;
    case 'unrecognized_keys':
      return `has no setting called ${issue.keys.join(', ')}.`;
    default:
      return 'is not valid.';
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `changes` over a configuration. One that names another objective brings what that objective is used with, as it does in the page. */
export function changedSettings(base: RunConfig, changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const wanted = isRecord(changes['objective']) ? changes['objective']['name'] : undefined;
  const name = objectiveNames.find((known) => known === wanted);
  const preset = name === undefined || name === base.objective.name ? base : { ...base, objective: presetObjective(name) };
  return mergeSettings({ ...preset }, changes);
}

/** `changes` over `base`, section by section. Weights are a whole, and so is a library: half of another mix is no mix. */
export function mergeSettings(
  base: Readonly<Record<string, unknown>>,
  changes: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const old = merged[key];
    merged[key] = key !== 'weights' && key !== 'library' && isRecord(old) && isRecord(value) ? mergeSettings(old, value) : value;
  }
  return merged;
}
