/**
 * A conversation with one persona and several policies side by side, turn after turn. Each policy has a history of its own: what it is told is the
 * reader's words and its own earlier replies. What the replies look like is `ui/probe/talk/`; how a history becomes a prompt is `persona/prompt.ts`.
 */
import { errorSentence, LabError } from '../errors.ts';
import { checkPersonaText } from '../persona/text.ts';
import type { Message } from '../policy/chat-template.ts';
import type { TemplateAsking } from '../rl/asking.ts';
import type { ChatChunk, ChatRequest, TrainerApi } from '../worker/api.ts';
import type { ProbeCheckpoint, ProbePersona } from './probe.svelte.ts';

/** Whom one talks to. Another one is another conversation. */
export interface Partner {
  /** Id of the base. */
  readonly policy: string;
  readonly persona: ProbePersona;
  /** One column each. */
  readonly checkpoints: readonly ProbeCheckpoint[];
  /** What the chat template is told; absent: as usual. */
  readonly asking?: TemplateAsking;
}

export type TalkSettings = Pick<ChatRequest, 'temperature' | 'maxNewTokens' | 'seed'>;

export interface TalkReply {
  readonly state: 'waiting' | 'writing' | 'done' | 'stopped' | 'failed';
  /** What there is of it. */
  readonly chunk: ChatChunk | null;
  /** Why there is none, a sentence, and what to do, another. */
  readonly problem: string | null;
  readonly next: string | null;
  /** Where the open run stood, for what `current` said. */
  readonly step: number;
}

export interface TalkTurn {
  /** The reader's. */
  readonly words: string;
  /** In the order of the partner's checkpoints. */
  readonly replies: readonly TalkReply[];
}

interface Conversation {
  readonly partner: Partner;
  readonly turns: readonly TalkTurn[];
}

const blank = { state: 'waiting', chunk: null, problem: null, next: null } as const;

function told(error: unknown): Pick<TalkReply, 'problem' | 'next'> {
  return error instanceof LabError ? { problem: error.what, next: error.next } : { problem: errorSentence(error), next: null };
}

/** Whether it is part of what the policy is told from then on: a question that was never replied to is not. */
export const isTold = ({ state, chunk }: TalkReply): boolean =>
  chunk !== null && (state === 'done' || (state === 'stopped' && chunk.text !== ''));

/** What one policy is told in a turn. @param place its column  @param at the turn's place */
export function messagesOf(turns: readonly TalkTurn[], place: number, at: number): readonly Message[] {
  const before = turns.slice(0, at).flatMap(({ words, replies }): Message[] => {
    const reply = replies[place];
    if (!reply || !isTold(reply)) return [];
    return [
      { role: 'user', content: words },
      { role: 'assistant', content: reply.chunk!.text },
    ];
  });
  return [...before, { role: 'user', content: turns[at]!.words }];
}

export function samePartner(one: Partner, other: Partner): boolean {
  const said = ({ policy, persona, checkpoints, asking }: Partner) =>
    JSON.stringify([policy, persona.text?.trim() ?? '', checkpoints, asking ?? {}]);
  return said(one) === said(other);
}

/** What of the page a conversation needs. */
interface Home {
  readonly api: TrainerApi;
  /** Where the open run stands. */
  readonly session: { readonly step: number };
}

const talks = new WeakMap<Home, Talk>();

/** The page's conversation, which outlives the view that shows it. @param began called where it is a new one */
export function talkOf(home: Home, began: () => void): Talk {
  let talk = talks.get(home);
  if (!talk) {
    talk = new Talk(home);
    talks.set(home, talk);
    began();
  }
  return talk;
}

export class Talk {
  /** Of the next conversation, or of this one. */
  persona = $state<ProbePersona>({ key: 'none', name: 'No persona', text: null, voice: null });
  /** The next message, as typed. */
  words = $state('');
  turns = $state.raw<readonly TalkTurn[]>([]);
  /** Who replied to them; null: nobody yet. */
  partner = $state.raw<Partner | null>(null);
  running = $state(false);
  /** The last message is in the field; sending takes its place. */
  editing = $state(false);
  /** The one that was left by starting over. */
  left = $state.raw<Conversation | null>(null);

  /** What was being typed before the last message was edited. */
  #draft = '';
  /** Counts what was begun: what comes late from one that was left is dropped. */
  #begun = 0;

  constructor(private readonly home: Home) {}

  get last(): TalkTurn | null {
    return this.turns.at(-1) ?? null;
  }

  /** Whether somebody has not replied to the last message. */
  get unanswered(): boolean {
    return !this.running && (this.last?.replies.some(({ state }) => state !== 'done') ?? false);
  }

  /** What to do where somebody could not reply to the last message, sentences; empty: nothing. */
  get advice(): readonly string[] {
    return [...new Set(this.last?.replies.flatMap(({ next }) => next ?? []))];
  }

  /** Whether the next message begins another conversation than the one that is shown. */
  changes(partner: Partner): boolean {
    return this.partner !== null && !samePartner(this.partner, partner);
  }

  /** What keeps a message from being sent, a sentence; null when nothing does. */
  obstacle({ persona, checkpoints }: Partner): string | null {
    if (!checkpoints.length) return 'Choose at least one checkpoint.';
    const complaint = persona.text === null ? null : checkPersonaText(persona.text);
    return complaint && `${persona.name}: ${complaint}`;
  }

  /** Sends what is in the field: as the next message, in place of the one that is edited, or as the first to a new partner. */
  async send(partner: Partner, settings: TalkSettings): Promise<void> {
    const words = this.words.trim();
    if (this.running || words === '' || this.obstacle(partner)) return;
    if (this.changes(partner)) this.#leave();
    else if (this.editing) this.turns = this.turns.slice(0, -1);
    [this.words, this.#draft] = [this.editing ? this.#draft : '', ''];
    this.editing = false;
    await this.#while(async (going) => {
      this.#begin(partner);
      await this.#say(words, settings, going);
    });
  }

  /** Asks those who have not replied to the last message once more. */
  async again(settings: TalkSettings): Promise<void> {
    if (this.running || !this.partner || !this.last) return;
    await this.#while((going) => this.#ask(settings, going));
  }

  /** Says all of it again, to somebody else. */
  async retell(partner: Partner, settings: TalkSettings): Promise<void> {
    if (this.running || this.obstacle(partner)) return;
    const told = this.turns.map(({ words }) => words);
    if (this.editing) this.leaveEdit();
    this.#leave();
    await this.#while(async (going) => {
      this.#begin(partner);
      for (const words of told) if (going()) await this.#say(words, settings, going);
    });
  }

  /** What is being written stays as far as it came. */
  async stop(): Promise<void> {
    this.#begun++;
    this.running = false;
    const stopped = (reply: TalkReply): TalkReply =>
      reply.state === 'waiting' || reply.state === 'writing' ? { ...reply, state: 'stopped' } : reply;
    this.turns = this.turns.map(({ words, replies }) => ({ words, replies: replies.map(stopped) }));
    await this.home.api.cancelChat();
  }

  /** Takes the last message and the replies to it back. What was said comes back into the field, unless something is being typed there. */
  undo(): void {
    const { last } = this;
    if (this.running || !last) return;
    if (this.editing) this.leaveEdit();
    this.turns = this.turns.slice(0, -1);
    if (this.turns.length === 0) this.partner = null;
    if (this.words.trim() === '') this.words = last.words;
  }

  edit(): void {
    const { last } = this;
    if (this.running || this.editing || !last) return;
    [this.#draft, this.words] = [this.words, last.words];
    this.editing = true;
  }

  leaveEdit(): void {
    [this.words, this.#draft] = [this.#draft, ''];
    this.editing = false;
  }

  startOver(): void {
    if (this.running) void this.stop();
    if (this.editing) this.leaveEdit();
    this.#leave();
  }

  /** @returns whom it was with */
  bringBack(): Partner | null {
    const { left } = this;
    if (!left || this.turns.length > 0) return null;
    [this.partner, this.turns, this.left] = [left.partner, left.turns, null];
    this.persona = { ...left.partner.persona };
    return left.partner;
  }

  #leave(): void {
    if (this.partner && this.turns.length > 0) this.left = { partner: this.partner, turns: this.turns };
    [this.partner, this.turns] = [null, []];
  }

  #begin(partner: Partner): void {
    // As it is now: its text can be edited while it is talked to.
    if (this.turns.length === 0) this.partner = { ...partner, persona: { ...partner.persona }, checkpoints: [...partner.checkpoints] };
  }

  async #while(work: (going: () => boolean) => Promise<void>): Promise<void> {
    const begun = ++this.#begun;
    const going = () => begun === this.#begun;
    this.running = true;
    try {
      await work(going);
    } finally {
      if (going()) this.running = false;
    }
  }

  async #say(words: string, settings: TalkSettings, going: () => boolean): Promise<void> {
    const waiting: TalkReply = { ...blank, step: this.home.session.step };
    this.turns = [...this.turns, { words, replies: this.partner!.checkpoints.map(() => waiting) }];
    await this.#ask(settings, going);
  }

  /** One after the other, as the engine answers them. */
  async #ask(settings: TalkSettings, going: () => boolean): Promise<void> {
    const { policy, persona, checkpoints, asking } = this.partner!;
    const at = this.turns.length - 1;
    const missing = checkpoints.flatMap((checkpoint, place) =>
      this.turns[at]!.replies[place]!.state === 'done' ? [] : [{ checkpoint, place }],
    );
    for (const { place } of missing) this.#set(at, place, { ...blank, step: this.home.session.step });
    for (const { checkpoint, place } of missing) {
      if (!going()) return;
      this.#set(at, place, { state: 'writing', step: this.home.session.step });
      const request = { ...asking, policy, checkpoint, persona: persona.text, messages: messagesOf(this.turns, place, at), ...settings };
      try {
        const whole = await this.home.api.chat(request, (chunk) => {
          // What is told on the way may come after the whole.
          if (going() && this.turns[at]?.replies[place]?.state === 'writing') this.#set(at, place, { chunk });
        });
        if (going() && whole) this.#set(at, place, { chunk: whole, state: 'done' });
      } catch (error) {
        if (going()) this.#set(at, place, { ...blank, state: 'failed', ...told(error) });
      }
    }
  }

  #set(at: number, place: number, change: Partial<TalkReply>): void {
    this.turns = this.turns.map((turn, i) => {
      if (i !== at) return turn;
      return { ...turn, replies: turn.replies.map((reply, p) => (p === place ? { ...reply, ...change } : reply)) };
    });
  }
}
