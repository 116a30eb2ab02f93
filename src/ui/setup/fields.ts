/** The numbers of a run that can be typed, by their path in the config, and beside what a complaint is shown. */
import { complaintSentence, type Complaint } from '../../errors.ts';
import type { HeldOutExcess } from '../../run/cost.ts';
import type { DraftConfig } from '../../state/draft.svelte.ts';
import type { TermId } from '../glossary/terms.ts';
import { rewardLabels } from '../reward-titles.ts';
import { askingLabels } from './asking-words.ts';

export interface Field {
  /** `section.key` or `key`, as a complaint names it. */
  readonly path: string;
  readonly label: string;
  readonly hint?: string;
  /** Its word in the glossary. */
  readonly term?: TermId;
  readonly min: number;
  readonly max?: number;
  readonly step: number | 'any';
}

const whole = { min: 0, step: 1 } as const;
const positive = { min: 1, step: 1 } as const;
const real = { min: 0, step: 'any' } as const;

export const runFields: readonly Field[] = [
  { path: 'steps', label: 'Steps', ...positive },
  { path: 'seed', label: 'Seed', term: 'seed', ...whole },
];

export const batchFields: readonly Field[] = [
  { path: 'promptsPerStep', label: 'Prompts a step', ...positive },
  { path: 'groupSize', label: 'Group size', term: 'group', min: 2, step: 1 },
  { path: 'sampling.maxNewTokens', label: 'Longest reply', term: 'length', hint: 'tokens', ...positive },
  { path: 'sampling.temperature', label: 'Temperature', term: 'temperature', ...real },
  { path: 'sampling.topK', label: 'Top-k', hint: '0 is off', ...whole },
  { path: 'sampling.topP', label: 'Top-p', hint: '1 is off', ...real, max: 1 },
];

export const objectiveFields: readonly Field[] = [
  { path: 'objective.beta', label: 'Beta', term: 'beta', ...real },
  { path: 'objective.entropyCoef', label: 'Entropy bonus', term: 'entropy', ...real },
  { path: 'objective.epsilonLow', label: 'Clip low', term: 'clip', ...real },
  { path: 'objective.epsilonHigh', label: 'Clip high', term: 'clip', ...real },
  { path: 'objective.innerEpochs', label: 'Passes a batch', ...positive },
  { path: 'objective.overlongBuffer', label: 'Overlong buffer', term: 'overlong', hint: 'tokens', ...whole },
  { path: 'objective.dynamicSampling', label: 'Dynamic sampling', hint: 'tries', ...whole },
];

export const optimFields: readonly Field[] = [
  { path: 'optim.learningRate', label: 'Learning rate', term: 'learning-rate', ...real },
  { path: 'optim.warmupSteps', label: 'Warm-up', hint: 'steps', ...whole },
  { path: 'optim.weightDecay', label: 'Weight decay', ...real },
  { path: 'optim.maxGradNorm', label: 'Gradient clip', term: 'gradient', hint: '0 is off', ...real },
  { path: 'optim.microBatchRows', label: 'Rows a pass', hint: '0 is all', ...whole },
  { path: 'heldOut.questions', label: 'Held-out questions', term: 'held-out', hint: 'a voice', ...whole },
  { path: 'heldOut.every', label: 'Asked every', hint: 'steps', ...positive },
  { path: 'checkpointEvery', label: 'Checkpoint every', term: 'checkpoint', hint: 'steps', ...whole },
];

const all = [...runFields, ...batchFields, ...objectiveFields, ...optimFields];

function locate(config: DraftConfig, path: string): { holder: Record<string, unknown>; key: string } {
  const keys = path.split('.');
  const key = keys.pop()!;
  const holder = keys.reduce<Record<string, unknown>>((object, name) => object[name] as Record<string, unknown>, config as never);
  return { holder, key };
}

export function readField(config: DraftConfig, { path }: Field): number {
  const { holder, key } = locate(config, path);
  return holder[key] as number;
}

export function writeField(config: DraftConfig, { path }: Field, value: number): void {
  const { holder, key } = locate(config, path);
  holder[key] = value;
}

const loraLabels: Readonly<Record<string, string>> = {
  lora: 'LoRA',
  'lora.rank': 'LoRA rank',
  'lora.alpha': 'LoRA alpha',
  'lora.targets': '“LoRA in”',
  'lora.layers': '“Of layers”',
};

/** `rewards.1.weight` by its last word; what has none is of all of them, or names itself. */
const rewardLabel = (path: string): string | undefined =>
  /^rewards\b/.test(path) ? (rewardLabels[path.split('.')[2] as keyof typeof rewardLabels] ?? 'The list') : undefined;

const labelOf = (path: string): string | undefined =>
  field(path)?.label ?? loraLabels[path] ?? rewardLabel(path) ?? askingLabels[path.split('.')[0] as keyof typeof askingLabels];

const field = (path: string): Field | undefined => all.find((candidate) => candidate.path === path);

/** The complaint about a field, under the name the reader knows it by. */
export function complaintAbout(complaints: readonly Complaint[], { path, label }: Field): string | null {
  const complaint = complaints.find((one) => one.field === path);
  return complaint ? complaintSentence(complaint, label) : null;
}

/** Where a complaint is shown beside what it is about: `form` has no such place. */
type Place = 'field' | 'policy' | 'asking' | 'lora' | 'rewards' | 'mix' | 'tasks' | 'teacher' | 'form';

function placeOf({ field: path }: Complaint): Place {
  if (field(path)) return 'field';
  const [section = ''] = path.split('.');
  if (Object.hasOwn(askingLabels, section)) return 'asking';
  return section === 'policy' ||
    section === 'lora' ||
    section === 'rewards' ||
    section === 'mix' ||
    section === 'tasks' ||
    section === 'teacher'
    ? section
    : 'form';
}

/** The complaint about a path, as a sentence of the page. */
export function complaintAtPath(complaints: readonly Complaint[], path: string): string | null {
  const complaint = complaints.find((one) => one.field === path);
  return complaint ? plainComplaint(complaint) : null;
}

/** The complaints that are shown in a place, as sentences. */
export const complaintsAt = (complaints: readonly Complaint[], place: Exclude<Place, 'field'>): string[] =>
  complaints.filter((complaint) => placeOf(complaint) === place).map(plainComplaint);

/** A complaint as a sentence of the page, wherever it is shown. */
export const plainComplaint = (complaint: Complaint): string => complaintSentence(complaint, labelOf(complaint.field));

/** In the names of the fields that change it. */
export function costSentence({ heldOutShare }: HeldOutExcess): string {
  const [questions, every] = ['heldOut.questions', 'heldOut.every'].map((path) => `“${field(path)!.label}”`);
  return `The held-out questions take ${Math.round(100 * heldOutShare)} % of this run’s time. Fewer of them (${questions}) or longer between them (${every}), both in Advanced, cost less; the training itself stays the same.`;
}
