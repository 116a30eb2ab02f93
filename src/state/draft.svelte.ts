/** The run the reader is putting together: a RunConfig that can be edited, and what the worker says is wrong with it. */
import { libraryIn } from './persona-library.ts';
import { errorSentence, type Complaint } from '../errors.ts';
import type { PersonaLibrary } from '../persona/file.ts';

import type { Persona } from '../persona/persona.ts';
import { usualAsking, withoutUsual, type AskingSettings } from '../rl/asking.ts';
import { namedRecipes, type RecipeName, type RunConfig } from '../rl/config.ts';
import type { Teacher } from '../storage/records.ts';
import type { Boot, TrainerApi } from '../worker/api.ts';
import { balanced } from './mix-shares.ts';
import { bestTeacher, type TeacherCandidate } from './teachers.ts';

type Editable<T> = T extends object ? { -readonly [K in keyof T]: Editable<T[K]> } : T;
export type DraftConfig = Editable<RunConfig>;

/** A voice's row in the mix: how much it weighs, and which of its personas take part. */
export interface VoiceShare {
  readonly voice: string;
  /** Part of all prompts, in [0, 1]. */
  readonly share: number;
}

/** What the bar calls all personas that have no voice of their own. */
const withoutVoice = 'Personas without a voice';

/** As it is written in links and files. */
const rounded = (value: number): number => Number(value.toFixed(6));

const trainable = (personas: readonly Persona[]): Persona[] => personas.filter((persona) => !persona.heldOut);

export class Draft {
  config = $state<DraftConfig>(null!);
  /** Empty when the run can start. */
  complaints = $state.raw<readonly Complaint[]>([]);
  checking = $state(false);
  /** The checkpoint the reader chose to learn from; null: the best there is. */
  chosenTeacher = $state<string | null>(null);
  /** Nothing but steps and seed is to be changed. */
  locked = $state(false);

  readonly #boot: Boot;
  readonly #api: () => TrainerApi;
  /** All that could teach a run of a policy. */
  readonly #teachers: (policy: string) => readonly TeacherCandidate[];
  #request = 0;

  /** Recipes of a policy that has its own. */
  readonly #suited: (policy: string) => Boot['recipes'] | null;

  constructor(
    boot: Boot,
    api: () => TrainerApi,
    teachers: (policy: string) => readonly TeacherCandidate[] = () => [],
    suited: (policy: string) => Boot['recipes'] | null = () => null,
  ) {
    this.#boot = boot;
    this.#api = api;
    this.#teachers = teachers;
    this.#suited = suited;
    this.choose('permix');
  }

  get recipes(): readonly RecipeName[] {
    return namedRecipes.filter((name) => this.#boot.recipes[name]);
  }

  /** Whether replies of a teacher are what is learnt, be it with settings of the reader's own. */
  get distils(): boolean {
    return this.config.recipe === 'distill' && this.config.objective.name === 'sft';
  }

  /** All that could teach this run. */
  get teachers(): readonly TeacherCandidate[] {
    return this.#teachers(this.config.policy);
  }

  get teacher(): TeacherCandidate | null {
    if (!this.distils) return null;
    const { teachers } = this;
    return teachers.find(({ checkpoint }) => checkpoint.id === this.chosenTeacher) ?? bestTeacher(teachers);
  }

  /** How it is asked, as far as the reader has said so: no recipe's affair. */
  get #asking(): AskingSettings {
    const said = Object.entries(this.snapshot()).filter(([name]) => Object.hasOwn(usualAsking, name));
    return Object.fromEntries(said);
  }

  /** Whose personas the mix is of. */
  get library(): PersonaLibrary {
    return libraryIn(this.#boot, this.config.library);
  }

  /** Settings that go without saying are not said. Weights are of the personas of one library. */
  ask(changes: AskingSettings): void {
    if (this.locked) return;
    if ('library' in changes) this.config.mix.weights = {};
    this.config = structuredClone(withoutUsual({ ...this.snapshot(), ...changes })) as DraftConfig;
  }

  /** Takes a recipe over as it is; policy, steps, seed, tasks and how it is asked stay what the reader set. */
  choose(recipe: RecipeName): void {
    const template = this.#template(recipe);
    if (!template || this.locked) return;
    const kept = this.config
      ? {
          steps: this.config.steps,
          seed: this.config.seed,
          policy: this.config.policy,
          tasks: $state.snapshot(this.config.tasks),
          ...this.#asking,
        }
      : {};
    this.config = structuredClone({ ...template, ...kept }) as DraftConfig;
  }

  /** The recipe that its settings are seen beside, as it suits its policy. */
  get template(): RunConfig | undefined {
    const { recipe } = this.config;
    return this.#template(recipe === 'custom' ? 'permix' : recipe);
  }

  #template(recipe: RecipeName, policy = this.config?.policy): RunConfig | undefined {
    return this.#suited(policy)?.[recipe] ?? this.#boot.recipes[recipe];
  }

  /** One with settings of its own brings them, and takes them away again; steps and seed stay. */
  choosePolicy(policy: string): void {
    const { recipe, steps, seed } = this.config;
    const template = this.#template(recipe === 'custom' ? 'permix' : recipe, policy);
    const others = this.#suited(policy) !== this.#suited(this.config.policy);
    if (template && others && !this.locked) this.config = structuredClone({ ...template, policy, steps, seed }) as DraftConfig;
    else this.config.policy = policy;
  }

  /** @param teacher whom that run learned from */
  take(config: RunConfig, teacher?: Teacher): void {
    if (this.locked) return;
    this.config = structuredClone(config) as DraftConfig;
    // One with settings of its own has forgotten which recipe it began from.
    if (teacher && config.recipe === 'custom') this.config.recipe = 'distill';
    this.chosenTeacher = teacher?.checkpoint ?? null;
  }

  /** A plain copy for the worker. */
  snapshot(): RunConfig {
    return $state.snapshot(this.config) as RunConfig;
  }

  /** The recipe whose settings these still are; `custom` once anything but policy, steps, seed, tasks and how it is asked differs. */
  get recipe(): RecipeName {
    const { recipe } = this.config;
    const template = this.#template(recipe);
    if (!template) return 'custom';
    const common = { recipe, steps: 0, seed: 0, policy: '', tasks: [], ...usualAsking };
    const of = (config: RunConfig) => JSON.stringify(withoutUsual({ ...config, ...common }));
    return of(this.snapshot()) === of(template) ? recipe : 'custom';
  }

  weight(personaId: string): number {
    const { weights } = this.config.mix;
    return Object.keys(weights).length === 0 ? 1 : (weights[personaId] ?? 0);
  }

  /** Sets some weights; an empty table means "all alike", so it is written out first. */
  setWeights(changes: Readonly<Record<string, number>>): void {
    const weights: Record<string, number> = {};
    for (const { id } of trainable(this.library.personas)) weights[id] = changes[id] ?? this.weight(id);
    const uniform = Object.values(weights).every((weight) => weight === 1);
    this.config.mix.weights = uniform ? {} : weights;
  }

  /** How often each voice will be met, `none` last. */
  get shares(): readonly VoiceShare[] {
    const people = trainable(this.library.personas);
    const total = people.reduce((sum, { id }) => sum + this.weight(id), 0);
    const rest = 1 - this.config.mix.noneShare;
    const shares = this.library.voices.map(({ id: voice }) => {
      const own = people.filter((persona) => persona.voice === voice).reduce((sum, { id }) => sum + this.weight(id), 0);
      return { voice, share: total > 0 ? (rest * own) / total : 0 };
    });
    const voiceless = people.filter(({ voice }) => voice === null).reduce((sum, { id }) => sum + this.weight(id), 0);
    const others = people.some(({ voice }) => voice === null)
      ? [{ voice: withoutVoice, share: total > 0 ? (rest * voiceless) / total : 0 }]
      : [];
    return [...shares, ...others, { voice: 'none', share: this.config.mix.noneShare }];
  }

  /** Whether a voice has personas that may be trained on; `none` always may be met. */
  canShare(voice: string): boolean {
    return voice === 'none' || this.#ofVoice(voice).length > 0;
  }

  #ofVoice(voice: string): Persona[] {
    return trainable(this.library.personas).filter((persona) => (persona.voice ?? withoutVoice) === voice);
  }

  /** Drags the share of a voice, or of `none`. Personas of one voice keep their weights beside each other. @param locked voices whose shares stay */
  setShare(voice: string, share: number, locked: ReadonlySet<string>): void {
    // All personas give alike, and weigh what they weighed.
    if (voice === 'none' && locked.size === 0) {
      this.config.mix.noneShare = rounded(share);
      return;
    }
    const rows = this.shares.filter((row) => this.canShare(row.voice));
    const places = new Set(rows.flatMap((row, i) => (locked.has(row.voice) ? [i] : [])));
    const moved = rows.findIndex((row) => row.voice === voice);
    const shares = balanced(
      rows.map((row) => row.share),
      moved,
      share,
      places,
    );
    const none = shares[rows.findIndex((row) => row.voice === 'none')]!;
    this.config.mix.noneShare = rounded(none);
    // Where nobody is asked under a persona, their weights say nothing, and stay for later.
    if (none >= 1) return;
    const changes: Record<string, number> = {};
    rows.forEach((row, i) => {
      if (row.voice === 'none') return;
      const own = this.#ofVoice(row.voice);
      const before = own.reduce((sum, { id }) => sum + this.weight(id), 0);
      const each = trainable(this.library.personas).length / (1 - none);
      for (const { id } of own) {
        const part = before > 0 ? this.weight(id) / before : 1 / own.length;
        changes[id] = rounded(each * shares[i]! * part);
      }
    });
    this.setWeights(changes);
  }

  async check(): Promise<void> {
    const request = ++this.#request;
    this.checking = true;
    try {
      const config = { ...this.snapshot(), recipe: this.recipe };
      const complaints = await this.#api().check(config, this.teacher?.checkpoint.id);
      if (request === this.#request) this.complaints = complaints;
    } catch (error) {
      if (request === this.#request) this.complaints = [{ field: '', problem: errorSentence(error) }];
    } finally {
      if (request === this.#request) this.checking = false;
    }
  }
}
