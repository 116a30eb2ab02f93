/** The probe: one question, put to several personas and checkpoints at once. */
import { errorSentence } from '../errors.ts';
import type { PersonaLibrary } from '../persona/file.ts';
import { spreadOver } from '../persona/groups.ts';
import type { Persona } from '../persona/persona.ts';
import { checkPersonaText } from '../persona/text.ts';
import { askingIn, templateAsking, withoutUsual, type AskingSettings } from '../rl/asking.ts';
import type { Boot, ProbeChunk, TrainerApi } from '../worker/api.ts';
import { libraryIn } from './persona-library.ts';

export interface ProbePersona {
  readonly key: string;
  name: string;
  /** Null: no persona. */
  text: string | null;
  readonly voice: string | null;
}

/** Null is the base policy, `current` the weights of the run that is open. */
export type ProbeCheckpoint = string | null;

/** Whom of the world a first look is at; of another library it is a few from all over it. */
const firstOfWorld = ['brilliant-professor', 'usual-pirate', 'clueless-child'];

const cellKey = (checkpoint: ProbeCheckpoint, persona: string): string => `${checkpoint ?? ''}|${persona}`;

export class Probe {
  /** A conversation (`talk.svelte.ts`) instead of one question. */
  talking = $state(false);
  question = $state('What is 17 + 25?');
  personas = $state<ProbePersona[]>([{ key: 'none', name: 'No persona', text: null, voice: null }]);
  checkpoints = $state.raw<readonly ProbeCheckpoint[]>([null]);
  temperature = $state(0);
  seed = $state(1);
  maxNewTokens = $state(24);
  cells = $state.raw<Readonly<Record<string, ProbeChunk>>>({});
  running = $state(false);
  problem = $state<string | null>(null);
  /** What the cells answer to, which may no longer be what the fields say. */
  asked = $state.raw<{ question: string; checkpoints: readonly ProbeCheckpoint[]; step: number } | null>(null);

  /** Whose personas are offered, and how a prompt is made of them and a reply is read; as far as it is not as usual. */
  asking = $state.raw<AskingSettings>({});

  #own = 0;
  #offered = false;
  /** What was brought last. */
  #suited: string | null = null;
  readonly #api: () => TrainerApi;
  readonly #boot: () => Pick<Boot, 'personas' | 'voices' | 'general'> | null;

  constructor(api: () => TrainerApi, boot: () => Pick<Boot, 'personas' | 'voices' | 'general'> | null) {
    this.#api = api;
    this.#boot = boot;
  }

  get library(): PersonaLibrary {
    return libraryIn(this.#boot(), this.asking.library);
  }

  /** Takes over how whoever is asked is asked, where that is another way than before; else what the reader has chosen here stays. */
  suit(asking: AskingSettings): void {
    const now = $state.snapshot(askingIn(asking)) as AskingSettings;
    const said = JSON.stringify(now);
    if (said === this.#suited) return;
    this.#suited = said;
    this.#take(now);
  }

  chooseLibrary(library: AskingSettings['library']): void {
    this.#take(withoutUsual({ ...this.asking, ...(library === undefined ? {} : { library }) }));
  }

  /** Personas of another library take the place of those that the reader has not touched. */
  #take(asking: AskingSettings): void {
    const before = this.library.personas;
    const same = JSON.stringify(asking.library) === JSON.stringify(this.asking.library);
    this.asking = asking;
    if (same && this.#offered) return;
    this.#offered = true;
    const theirs = ({ key, text }: ProbePersona) => key !== 'none' && before.some((persona) => persona.id === key && persona.text === text);
    // A voice of another library is none of this one's.
    const kept = this.personas.filter((persona) => !theirs(persona)).map((persona) => ({ ...persona, voice: null }));
    this.personas = kept.filter(({ key }) => key === 'none');
    const { personas } = this.library;
    const first = asking.library === undefined ? personas.filter(({ id }) => firstOfWorld.includes(id)) : spreadOver(personas, 3);
    for (const persona of first) this.add(persona);
    this.personas.push(...kept.filter(({ key }) => !this.has(key)));
    if (!this.running) [this.cells, this.asked] = [{}, null];
  }

  cell(checkpoint: ProbeCheckpoint, persona: string): ProbeChunk | null {
    return this.cells[cellKey(checkpoint, persona)] ?? null;
  }

  has(key: string): boolean {
    return this.personas.some((persona) => persona.key === key);
  }

  add(persona: Persona): void {
    if (this.has(persona.id)) return;
    this.personas.push({ key: persona.id, name: persona.name, text: persona.text, voice: persona.voice });
  }

  addNone(): void {
    if (!this.has('none')) this.personas.unshift({ key: 'none', name: 'No persona', text: null, voice: null });
  }

  addOwn(): void {
    this.#own++;
    this.personas.push({ key: `own-${this.#own}`, name: `My persona ${this.#own}`, text: 'You are a patient teacher.', voice: null });
  }

  remove(key: string): void {
    this.personas = this.personas.filter((persona) => persona.key !== key);
  }

  /** Puts a checkpoint beside the base, unless the reader chose others already. */
  compare(checkpoint: ProbeCheckpoint): void {
    if (this.checkpoints.length === 1 && this.checkpoints[0] === null) this.checkpoints = [null, checkpoint];
  }

  toggle(checkpoint: ProbeCheckpoint): void {
    this.checkpoints = this.checkpoints.includes(checkpoint)
      ? this.checkpoints.filter((entry) => entry !== checkpoint)
      : [...this.checkpoints, checkpoint];
  }

  /** They are gone, and with them what they said. @returns brings both back, where nothing else was chosen or asked meanwhile */
  forget(checkpoints: readonly string[]): () => void {
    const { checkpoints: chosen, cells, asked } = this;
    const left = chosen.filter((one) => one === null || !checkpoints.includes(one));
    this.checkpoints = left;
    if (asked?.checkpoints.some((one) => one !== null && checkpoints.includes(one))) [this.cells, this.asked] = [{}, null];
    return () => {
      if (this.checkpoints === left) this.checkpoints = chosen;
      if (this.asked === null) [this.cells, this.asked] = [cells, asked];
    };
  }

  /** What keeps the probe from running, as a sentence; null when nothing does. */
  get obstacle(): string | null {
    if (!this.question.trim()) return 'Write a question first.';
    if (!this.personas.length) return 'Choose at least one persona, or "No persona".';
    if (!this.checkpoints.length) return 'Choose at least one checkpoint.';
    for (const { name, text } of this.personas) {
      const complaint = text === null ? null : checkPersonaText(text);
      if (complaint) return `${name}: ${complaint}`;
    }
    return null;
  }

  /** @param step of the open run, for the label of what `current` said  @param policy the base */
  async ask(step: number, policy: string): Promise<void> {
    if (this.running || this.obstacle) return;
    this.running = true;
    this.problem = null;
    this.cells = {};
    const request = {
      ...templateAsking(this.asking),
      policy,
      question: this.question.trim(),
      personas: this.personas.map(({ key, text }) => ({ key, text })),
      checkpoints: [...this.checkpoints],
      temperature: this.temperature,
      maxNewTokens: this.maxNewTokens,
      seed: this.seed,
    };
    this.asked = { question: request.question, checkpoints: request.checkpoints, step };
    try {
      await this.#api().probe(request, (chunks) => this.#receive(chunks));
    } catch (error) {
      this.problem = errorSentence(error);
    } finally {
      this.running = false;
    }
  }

  async cancel(): Promise<void> {
    await this.#api().cancelProbe();
  }

  #receive(chunks: readonly ProbeChunk[]): void {
    const cells = { ...this.cells };
    for (const chunk of chunks) cells[cellKey(chunk.checkpoint, chunk.persona)] = chunk;
    this.cells = cells;
  }
}
