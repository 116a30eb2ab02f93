/**
 * A conversation: the next reply of one policy to what it was told and has replied so far, in a turn of its own between two training steps.
 * It remembers nothing: the whole conversation comes with every request, and who says what next is the page's business.
 */
import { renderConversation } from '../persona/prompt.ts';
import type { ChatChunk, ChatRequest } from './api.ts';
import type { Probes } from './probes.ts';
import { promptLimit, streamReplies, type AskedPolicy } from './stream-replies.ts';

export class Chats {
  #abort: AbortController | null = null;

  constructor(private readonly probes: Probes) {}

  async run(request: ChatRequest, onChunk: (chunk: ChatChunk) => void): Promise<ChatChunk | null> {
    this.#abort?.abort();
    const { signal } = (this.#abort = new AbortController());
    let whole: ChatChunk | null = null;
    await this.probes.ask(request.checkpoint, request, signal, (asked) =>
      reply(asked, request, signal, (chunk) => {
        if (chunk.done) whole = chunk;
        else onChunk(chunk);
      }),
    );
    return whole;
  }

  cancel(): void {
    this.#abort?.abort();
  }
}

async function reply(asked: AskedPolicy, request: ChatRequest, signal: AbortSignal, onChunk: (chunk: ChatChunk) => void): Promise<void> {
  const { persona, messages, temperature, maxNewTokens, seed } = request;
  const { tokenizer } = asked;
  const prompt = renderConversation(tokenizer, persona, messages, promptLimit(tokenizer, maxNewTokens));
  // Every turn has draws of its own; those of the first are the probe's.
  const step = messages.filter(({ role }) => role === 'user').length - 1;
  await streamReplies(asked, [prompt], { temperature, maxNewTokens, seed, step }, signal, ([said]) => {
    const used = prompt.tokens.length + said!.pieces.length;
    onChunk({ ...said!, prompt: prompt.text, used, positions: tokenizer.maxLength });
  });
}
