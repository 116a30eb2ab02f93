/**
 * What decides the numbers of a long piece of work (a training, an evaluation, a judging, a pre-training), as a flat list of named parts.
 * It is stored with the work, made anew when the work is continued, and compared: a part that differs is named, and the work goes on only
 * where the reader has said that this part may differ. It stores nothing itself, and knows no option and no button.
 */
import type { EngineInfo } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import type { JudgedBy } from '../evaluate/judge/report.ts';
import { rubricVersion } from '../evaluate/judge/rubric.ts';
import type { Persona, Voice } from '../persona/persona.ts';
import { defaultTemplateSettings, type TemplateSettings } from '../policy/template-settings.ts';
import { absent, fingerprintOf, noPolicy, type PolicyFiles } from '../policy/fingerprint.ts';
import { sha256 } from '../policy/sha256.ts';
import type { PolicyTensors } from '../policy/weights.ts';
import { withoutUsual } from '../rl/asking.ts';
import type { RunConfig } from '../rl/config.ts';

/** Value by part: a SHA-256, a name or a number, as text; `none` for what is not there. */
export type Identity = Readonly<Record<string, string>>;

/**
 * Raised by hand when files of an unfinished piece of work mean something else than they did: another draw for the same counter, another
 * key for the same cell, a field that is read differently. Not when fields are added.
 */
export const formatVersion = 1;

/**
 * Raised by hand when the same work gives other numbers than before, beyond the last digits that machines differ in: a kernel, a loss, the
 * sampler, the order of draws, how prompts are rendered, what the verifier counts as right. Not when it only gets faster.
 */
export const numericsVersion = 1;

/** Every part, as a sentence calls it. `base.`, `teacher.` and `settings.` go before the parts of those. */
const partNames = {
  weights: 'the weights',
  config: 'config.json',
  'generation-config': 'generation_config.json',
  tokenizer: 'tokenizer.json',
  'tokenizer-config': 'tokenizer_config.json',
  'special-tokens': 'special_tokens_map.json',
  template: 'the chat template',
  'template-date': 'the date the chat template is told',
  'template-arguments': 'what the chat template is told',
  'no-persona': 'what "no persona" is',
  'persona-place': 'where a persona goes without a system role',
  policies: 'the policies',
  teacher: 'the teacher',
  personas: 'the personas',
  questions: 'the questions',
  corpus: 'the corpus',
  judge: 'the address of the judge',
  'judge-model': 'the model that judges',
  rubrics: 'the rubrics',
  engine: 'the engine',
  backend: 'the backend',
  format: 'the format of stored work',
  numerics: 'the version of the numerics',
} as const;
export type Part = keyof typeof partNames;

type Named = Partial<Record<Part, string>>;

/** Parts that came later, and what all work of before them was made with. */
const before: Readonly<Record<string, string>> = {
  'no-persona': defaultTemplateSettings.noSystem,
  'persona-place': defaultTemplateSettings.systemPlace,
} satisfies Named;

export interface PolicyMaterial {
  readonly weights: PolicyTensors;
  readonly files: PolicyFiles;
  /** With the template's settings as they are asked with. */
  readonly tokenizer?: { readonly template: TemplateSettings } | null;
}

/** The parts of a policy, null: of none. @param of which policy, where it is not the one the work is about */
export async function policyParts(policy: PolicyMaterial | null, of?: 'base' | 'teacher'): Promise<Identity> {
  const told = policy?.tokenizer?.template;
  const parts: Named = {
    ...(policy ? await fingerprintOf(policy) : noPolicy),
    'template-date': told?.date ?? absent,
    'template-arguments': told ? JSON.stringify(told.arguments) : absent,
    ...(told ? { 'no-persona': told.noSystem, 'persona-place': told.systemPlace } : {}),
  };
  return Object.fromEntries(Object.entries(parts).map(([part, value]) => [of === undefined ? part : `${of}.${part}`, value]));
}

/** Every setting by its path, `settings.optim.learningRate`; a list is one setting. */
export function settingParts(settings: object): Identity {
  const parts: Record<string, string> = {};
  const walk = (path: string, value: unknown) => {
    if (Array.isArray(value)) parts[path] = JSON.stringify(value);
    else if (typeof value === 'object' && value !== null) for (const [key, inner] of Object.entries(value)) walk(`${path}.${key}`, inner);
    else if (value !== undefined) parts[path] = value === null ? absent : String(value);
  };
  walk('settings', settings);
  return parts;
}

/** Of the personas that are asked or trained under, and the voices they are recognised by. */
export async function personaParts(personas: readonly Persona[], voices: readonly Voice[]): Promise<Identity> {
  return named({ personas: await sha256(JSON.stringify([personas, voices])) });
}

/** Of questions by what is asked and what is right, wherever they come from. */
export async function questionParts(questions: unknown): Promise<Identity> {
  return named({ questions: await sha256(JSON.stringify(questions)) });
}

/** Of who judges, and by which rubrics. */
export function judgeParts({ address, model }: JudgedBy): Identity {
  return named({ judge: address, 'judge-model': model, rubrics: String(rubricVersion) });
}

/** What computes, and the versions of how. */
export function programParts({ engine, backend }: Pick<EngineInfo, 'engine' | 'backend'>): Identity {
  return named({ engine, backend, format: String(formatVersion), numerics: String(numericsVersion) });
}

/** For parts that a caller makes itself. */
export const named = (parts: Named): Identity => parts as Identity;

export interface RunMaterial {
  readonly policy: PolicyMaterial;
  readonly config: RunConfig;
  readonly personas: readonly Persona[];
  readonly voices: readonly Voice[];
  /** Sequence distillation: the parts of who teaches; null: nobody. */
  readonly teacher: Identity | null;
  readonly engine: Pick<EngineInfo, 'engine' | 'backend'>;
}

/**
 * Of a training run. Its length is no part of it, unless the learning rate follows it; nor are the held-out questions, which change nothing
 * of it, or the name of the base's folder. Its personas and what no persona is are parts of their own; settings that are as usual are none, so
 * that runs of before they were there have the same parts.
 */
export async function runIdentity({ policy, config, personas, voices, teacher, engine }: RunMaterial): Promise<Identity> {
  const {
    steps,
    policy: _folder,
    heldOut: _asked,
    library: _personas,
    noPersona: _template,
    noSystemRole: _place,
    ...others
  } = withoutUsual(config);
  const settings = { ...others, mix: { ...others.mix, weights: JSON.stringify(others.mix.weights) } };
  return {
    ...(await policyParts(policy)),
    ...(await personaParts(personas, voices)),
    ...settingParts(settings.optim.schedule === 'constant' ? settings : { ...settings, steps }),
    ...(teacher ?? (await policyParts(null, 'teacher'))),
    ...programParts(engine),
  };
}

export interface Difference {
  readonly part: string;
  /** Null: nothing was recorded of this part. */
  readonly was: string | null;
  /** Null: there is no such part any more. */
  readonly now: string | null;
}

/** A difference that the reader has allowed, and how far the work was then. */
export interface TakenOver extends Difference {
  readonly at: string;
}

/** What is stored with a piece of work. */
export interface Origin {
  readonly identity: Identity;
  /** In the order in which it happened. */
  readonly takenOver: readonly TakenOver[];
}

/** Of work that begins now. */
export const begun = (identity: Identity): Origin => ({ identity, takenOver: [] });

/** @param was null: stored by a version that recorded no identity */
export function differences(was: Identity | null, now: Identity): readonly Difference[] {
  return [...new Set([...Object.keys(now), ...Object.keys(was ?? {})])]
    .map((part) => ({ part, was: was && (was[part] ?? before[part.replace(/^(base|teacher)\./, '')] ?? null), now: now[part] ?? null }))
    .filter((difference) => difference.was !== difference.now);
}

/** Stands for every part of which nothing was recorded, among what the reader accepts. */
export const unrecorded = 'unrecorded';

/** What has to be accepted for this difference. */
export const acceptedAs = ({ part, was }: Difference): string => (was === null ? unrecorded : part);

/**
 * Whether a part of a training run may be taken over in the page: its settings and its teacher may not, they are what a fork is for. Another
 * base may be, unlike on the command line (`cli/train-plan.ts`): there the old folder can be given again, while a page that was renewed has
 * no way back, and its runs could never be continued.
 */
export const runMayDiffer = (part: string): boolean =>
  part !== 'format' && (part === 'settings.steps' || !/^(settings|teacher)(\.|$)/.test(part));

const examinable: readonly string[] = ['engine', 'backend', 'numerics'] satisfies Part[];
/** Replies of two policies, or to two sets of questions, are no examination of either. */
export const examinationMayDiffer = (part: string): boolean => examinable.includes(part);

/** What stands in the way of going on, for a reader who may allow it. */
export interface Changes {
  /** A sentence without its subject and its full stop: `began with something else: …` */
  readonly sentence: string;
  /** What has to be accepted; empty: it cannot be. */
  readonly accept: readonly string[];
}

export interface Comparison {
  /** Null or undefined: it was stored by a version that recorded none. */
  readonly origin: Origin | null | undefined;
  readonly now: Identity;
  /** Whether a part may be accepted at all: some differences make what is stored and what would be added two things. */
  readonly mayDiffer: (part: string) => boolean;
}

/** Null where nothing differs but what is accepted. */
export function changesOf({ origin, now, mayDiffer }: Comparison, accept: readonly string[] = []): Changes | null {
  const found = differences(origin?.identity ?? null, now);
  const lost = (difference: Difference) => difference.was !== null && !mayDiffer(difference.part);
  if (found.every((difference) => accept.includes(acceptedAs(difference)) && !lost(difference))) return null;
  return { sentence: differencesSentence(found), accept: found.some(lost) ? [] : [...new Set(found.map(acceptedAs))] };
}

export interface Continuation extends Comparison {
  /** What is continued, the beginning of a sentence: `The run in DIR`. */
  readonly what: string;
  /** What the reader says may differ: parts, or `unrecorded`. */
  readonly accept: readonly string[];
  /** How far the work is: `step 40`. */
  readonly at: string;
  /** What to do, given what would have to be accepted; empty where it cannot be. */
  readonly next: (accept: readonly string[]) => string;
}

/**
 * What is to be stored from now on. Call it before anything of the work is changed.
 * @throws LabError 'usage' that names every part that differs and was not accepted
 */
export function continued({ what, accept, at, next, ...comparison }: Continuation): Origin {
  const changes = changesOf(comparison, accept);
  if (changes) throw new LabError('usage', `${what} ${changes.sentence}.`, next(changes.accept));
  const { origin, now } = comparison;
  const taken = differences(origin?.identity ?? null, now).map((difference) => ({ ...difference, at }));
  return { identity: now, takenOver: [...(origin?.takenOver ?? []), ...taken] };
}

/** For a reader of the results. */
export function takenOverNotes(takenOver: readonly TakenOver[]): string[] {
  return takenOver.map((change) => `Continued with something else at ${change.at}: ${changeOf(change)}.`);
}

/** `began with something else: the chat template was 1f…, now 2e…` */
export function differencesSentence(found: readonly Difference[]): string {
  const changed = found.filter(({ was }) => was !== null).map(changeOf);
  const silent = found.filter(({ was }) => was === null).map(({ part }) => partName(part));
  const told = changed.length > 0 ? [`began with something else: ${changed.join('; ')}`] : [];
  if (silent.length > maxListed) told.push('was stored by a version that did not record what it depends on');
  else if (silent.length > 0) told.push(`does not say with which it began: ${silent.join(', ')}`);
  return told.join('; it ');
}

/** Beyond this a list of parts tells a reader nothing. */
const maxListed = 4;

const plurals: readonly string[] = ['weights', 'policies', 'personas', 'questions', 'rubrics'] satisfies Part[];

/** `the backend was wasm, now cpu` */
export function changeOf({ part, was, now }: Difference): string {
  const name = partName(part);
  const verb = plurals.includes(part.replace(/^(base|teacher)\./, '')) ? 'were' : 'was';
  return `${name} ${verb} ${was === null ? 'not recorded' : short(was)}, now ${short(now ?? absent)}`;
}

function partName(part: string): string {
  if (part in partNames) return partNames[part as Part];
  const [, owner, inner] = /^(base|teacher|settings)\.(.+)$/.exec(part) ?? [];
  if (owner === undefined || inner === undefined) return part;
  return owner === 'settings' ? `the setting ${inner}` : `${partName(inner)} of the ${owner}`;
}

/** Enough of a hash to tell it from another. */
function short(value: string): string {
  return /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : value;
}
