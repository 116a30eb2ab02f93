/** A conversation with a real engine and session: the probe's draws in its first turn, its own from then on, and no trace in a run. */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/policy/chat-template.ts';
import type { ChatChunk, ChatRequest, ProbeChunk } from '../../src/worker/api.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { tinyTokenizer } from '../helpers/tiny-policy.ts';

let databases = 0;
async function open() {
  const probe = new SessionProbe(await database(`chat-${databases++}`));
  await probe.boot('cpu');
  return { probe, session: probe.session };
}
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Error) => error,
  );

describe('a conversation', () => {
  const request: ChatRequest = {
    policy: 'permix-tiny',
    checkpoint: null,
    persona: null,
    messages: [{ role: 'user', content: 'Which is larger, 3 or 7?' }],
    temperature: 1,
    maxNewTokens: 4,
    seed: 5,
  };
  async function reply(session: SessionProbe['session'], more: Partial<ChatRequest> = {}): Promise<ChatChunk> {
    return (await session.chat({ ...request, ...more }, ({ done }) => expect(done).toBe(false)))!;
  }
  const after = ({ text }: ChatChunk): readonly Message[] => [
    ...request.messages,
    { role: 'assistant', content: text },
    { role: 'user', content: 'And 2 or 1?' },
  ];

  it('begins with what the probe says, and goes on from there with draws of its own', async () => {
    const { session } = await open();
    const cells: ProbeChunk[] = [];
    const probe = {
      policy: 'permix-tiny',
      question: request.messages[0]!.content,
      checkpoints: [null],
      temperature: 1,
      maxNewTokens: 4,
      seed: 5,
    };
    await session.probe({ ...probe, personas: [{ key: 'none', text: null }] }, (chunks) => cells.push(...chunks));
    const first = await reply(session);
    expect(first.pieces).toEqual(cells.at(-1)!.pieces);
    expect(first.logprobs).toEqual(cells.at(-1)!.logprobs);
    expect(first.cut).toBe(first.pieces.length === 4 && !first.pieces.at(-1)!.includes('<eos>'));

    const second = await reply(session, { messages: after(first) });
    expect(second.prompt).toBe(`<user>Which is larger, 3 or 7?<assistant>${first.text}<user>And 2 or 1?<reply>1`);
    expect(second.done).toBe(true);
    expect(second.positions).toBe(96);
    expect(second.used).toBe(tinyTokenizer().encode(second.prompt).length + second.pieces.length);
    expect(await reply(session, { messages: after(first) })).toEqual(second);
    // The same words are another draw where they come later.
    const again = await reply(session, {
      messages: [{ role: 'user', content: '' }, { role: 'assistant', content: '' }, ...request.messages],
    });
    expect(again.pieces).not.toEqual(first.pieces);
  });

  it('is had with a run that trains, and leaves it as it was', async () => {
    const { probe, session } = await open();
    const quiet = await probe.train(smallRun);
    const [expected] = (await session.history(quiet)).checkpoints;
    const second = await open();
    const finished = second.probe.phase('finished');
    const id = await second.session.start(smallRun);
    await reply(second.session, { checkpoint: 'current', messages: after(await reply(second.session, { checkpoint: 'current' })) });
    await finished;
    const [talked] = (await second.session.history(id)).checkpoints;
    expect(talked!.hash).toBe(expected!.hash);
    expect((await reply(second.session, { checkpoint: talked!.id })).logprobs).toEqual(
      (await reply(second.session, { checkpoint: 'current' })).logprobs,
    );
  });

  it('that no longer fits is refused in a sentence, and nothing of it is left out', async () => {
    const { session } = await open();
    const long: readonly Message[] = [
      ...request.messages,
      { role: 'assistant', content: 'a'.repeat(60) },
      { role: 'user', content: 'Why?' },
    ];
    expect((await failure(reply(session, { messages: long }))).message).toMatch(
      /conversation has \d+ tokens, and the policy has room for 92 besides its reply. Start over/,
    );
    expect((await reply(session)).done).toBe(true);
  });

  it('stops when it is told to, and is not stopped by the probe', async () => {
    const { session } = await open();
    const cell = session.probe(
      {
        policy: 'permix-tiny',
        question: 'Two?',
        personas: [{ key: 'none', text: null }],
        checkpoints: [null],
        temperature: 0,
        maxNewTokens: 4,
        seed: 1,
      },
      () => undefined,
    );
    expect((await reply(session)).done).toBe(true);
    await cell;
    const stopped = session.chat(request, () => undefined);
    await session.cancelChat();
    expect(await stopped).toBe(null);
  });
});
