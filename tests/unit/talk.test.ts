/** A conversation as the page keeps it, with a real session behind it: histories, taking back, stopping, partners, and what no longer fits. */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { isTold, messagesOf, Talk, talkOf, type Partner, type TalkReply, type TalkTurn } from '../../src/state/talk.svelte.ts';
import type { ChatRequest, TrainerApi } from '../../src/worker/api.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';

let databases = 0;
const settings = { temperature: 1, maxNewTokens: 4, seed: 5 };
const nobody: Partner = {
  policy: 'permix-tiny',
  persona: { key: 'none', name: 'No persona', text: null, voice: null },
  checkpoints: [null],
};
const poet = { key: 'poet', name: 'Poet', text: 'You are a poet.', voice: null };

/** @param asked what the session is asked, in its order */
async function open(asked: ChatRequest[] = []) {
  const probe = new SessionProbe(await database(`talk-${databases++}`));
  await probe.boot('cpu');
  const { session } = probe;
  const chat: TrainerApi['chat'] = (request, onChunk) => {
    asked.push(request);
    return session.chat(request, onChunk);
  };
  const api = { chat, cancelChat: () => session.cancelChat() } as TrainerApi;
  return { probe, session, asked, talk: new Talk({ api, session: { step: 6 } }) };
}

async function say(talk: Talk, words: string, partner = nobody): Promise<readonly string[]> {
  talk.words = words;
  await talk.send(partner, settings);
  return talk.last!.replies.map(({ chunk, problem }) => chunk?.text ?? problem ?? '');
}

describe('a conversation', () => {
  it('gives each policy its own history, and none the other’s', async () => {
    const { probe, session, talk, asked } = await open();
    const runId = await probe.train({ ...smallRun, optim: { ...smallRun.optim, learningRate: 0.3 } });
    const trained = (await session.history(runId)).checkpoints[0]!.id;
    const both = { ...nobody, persona: poet, checkpoints: [null, trained] };
    const first = await say(talk, '  Which is larger, 3 or 7?  ', both);
    expect(first[0]).not.toBe(first[1]);
    expect(talk.last!.words).toBe('Which is larger, 3 or 7?');
    expect(talk.words).toBe('');
    await say(talk, 'And 2 or 1?', both);
    expect(talk.last!.replies.map(({ state }) => state)).toEqual(['done', 'done']);
    expect(asked.map(({ checkpoint, persona }) => [checkpoint, persona])).toEqual([
      [null, poet.text],
      [trained, poet.text],
      [null, poet.text],
      [trained, poet.text],
    ]);
    expect(asked.slice(2).map(({ messages }) => messages)).toEqual(
      first.map((text) => [
        { role: 'user', content: 'Which is larger, 3 or 7?' },
        { role: 'assistant', content: text },
        { role: 'user', content: 'And 2 or 1?' },
      ]),
    );
    expect(talk.last!.replies[1]!.chunk!.prompt).toContain(`<assistant>${first[1]}<user>And 2 or 1?`);
  });

  it('says the same again, and another persona is another conversation', async () => {
    const { talk } = await open();
    const said = [...(await say(talk, 'One?')), ...(await say(talk, 'Two?'))];
    expect(talk.changes({ ...nobody, checkpoints: [null] })).toBe(false);
    const other = { ...nobody, persona: poet };
    expect(talk.changes(other)).toBe(true);
    expect(talk.changes({ ...nobody, checkpoints: [null, 'x'] })).toBe(true);
    expect(talk.changes({ ...nobody, policy: 'another' })).toBe(true);

    await talk.retell(other, settings);
    expect(talk.turns.map(({ words }) => words)).toEqual(['One?', 'Two?']);
    expect(talk.last!.replies[0]!.chunk!.prompt).toMatch(/^<system>You are a poet\.<user>One\?<assistant>/);
    await talk.retell(nobody, settings);
    expect(talk.turns.map(({ replies }) => replies[0]!.chunk!.text)).toEqual(said);

    await say(talk, 'Three?', other);
    expect(talk.turns.map(({ words }) => words)).toEqual(['Three?']);
    // A text that is edited afterwards is not the one it was begun with.
    other.persona = { ...poet, text: 'You are a cook.' };
    expect(talk.partner!.persona.text).toBe('You are a poet.');
    expect(talk.changes(other)).toBe(true);
  });

  it('takes back the last turn, or lets it be edited, and loses nothing that is typed', async () => {
    const { talk, asked } = await open();
    await say(talk, 'One?');
    const second = await say(talk, 'Two?');
    talk.undo();
    expect([talk.turns.length, talk.words]).toEqual([1, 'Two?']);
    await talk.send(nobody, settings);
    expect(talk.last!.replies[0]!.chunk!.text).toBe(second[0]);

    talk.words = 'half a thou';
    talk.edit();
    expect([talk.editing, talk.words]).toEqual([true, 'Two?']);
    talk.leaveEdit();
    expect([talk.editing, talk.words, talk.turns.length]).toEqual([false, 'half a thou', 2]);
    talk.undo();
    expect(talk.words).toBe('half a thou');
    talk.edit();
    talk.words = 'Ten?';
    await talk.send(nobody, settings);
    expect(talk.turns.map(({ words }) => words)).toEqual(['Ten?']);
    expect(talk.words).toBe('half a thou');
    expect(asked.at(-1)!.messages).toEqual([{ role: 'user', content: 'Ten?' }]);
    talk.undo();
    expect([talk.partner, talk.last]).toEqual([null, null]);
  });

  it('starts over, and can be had back', async () => {
    const { talk } = await open();
    await say(talk, 'One?', { ...nobody, persona: poet });
    const { turns } = talk;
    talk.startOver();
    expect([talk.turns, talk.partner, talk.bringBack()?.persona]).toEqual([[], null, poet]);
    expect([talk.turns, talk.persona, talk.left]).toEqual([turns, poet, null]);
    expect(talk.bringBack()).toBe(null);
  });

  it('that no longer fits says so where it does not, and a message that fits goes on without the one that did not', async () => {
    const { talk, asked } = await open();
    await say(talk, 'One?');
    const [problem] = await say(talk, 'x'.repeat(90));
    expect(problem).toMatch(/^The conversation has \d+ tokens, and the policy has room for 92 besides its reply\.$/);
    expect(talk.advice).toEqual(['Start over, shorten the message, or let the longest reply be shorter.']);
    expect(talk.unanswered).toBe(true);
    await say(talk, 'Two?');
    expect(talk.last!.replies[0]!.state).toBe('done');
    expect(asked.at(-1)!.messages.map(({ content }) => content)).toEqual(['One?', talk.turns[0]!.replies[0]!.chunk!.text, 'Two?']);
    expect([talk.unanswered, talk.advice]).toEqual([false, []]);
  });

  it('stops, and asks those again who have not replied', async () => {
    const { talk, asked } = await open();
    talk.words = 'One?';
    const sent = talk.send({ ...nobody, checkpoints: [null, 'current'] }, settings);
    expect([talk.running, talk.unanswered]).toEqual([true, false]);
    // Who presses twice says it once.
    talk.words = 'Two?';
    await talk.send(nobody, settings);
    await talk.stop();
    await sent;
    expect([talk.running, talk.words]).toEqual([false, 'Two?']);
    expect(talk.turns.map(({ replies }) => replies.map(({ state }) => state))).toEqual([['stopped', 'stopped']]);
    expect(asked).toHaveLength(1);
    await talk.again(settings);
    // No run is open there.
    expect(talk.last!.replies.map(({ state }) => state)).toEqual(['done', 'failed']);
    expect(talk.last!.replies[1]!.problem).toMatch(/No run is open/);
    await talk.again(settings);
    expect(asked.map(({ checkpoint }) => checkpoint)).toEqual([null, null, 'current', 'current']);
  });

  it('is refused before it begins where nobody would answer', async () => {
    const { talk, asked } = await open();
    expect(talk.obstacle({ ...nobody, checkpoints: [] })).toMatch(/at least one checkpoint/);
    expect(talk.obstacle({ ...nobody, persona: { ...poet, text: 'a'.repeat(5000) } })).toMatch(/^Poet: .*5,000 characters/);
    talk.words = 'One?';
    await talk.send({ ...nobody, checkpoints: [] }, settings);
    talk.words = ' ';
    await talk.send(nobody, settings);
    expect([asked.length, talk.turns.length]).toEqual([0, 0]);
  });
});

it('one conversation belongs to a page, whoever shows it', () => {
  const home = { api: {} as TrainerApi, session: { step: 0 } };
  let begun = 0;
  expect(talkOf(home, () => begun++)).toBe(talkOf(home, () => begun++));
  expect(begun).toBe(1);
});

it('a reply that was stopped after some words is told, one without any is not', () => {
  const chunk = { text: 'Ahoy', thinking: null, pieces: [], logprobs: [], done: false, cut: false, prompt: '', used: 0, positions: null };
  const reply = (state: TalkReply['state'], text: string | null): TalkReply => ({
    ...{ state, problem: null, next: null, step: 0 },
    chunk: text === null ? null : { ...chunk, text },
  });
  const told = [reply('stopped', 'Ahoy'), reply('done', '')];
  const untold = [reply('stopped', ''), reply('stopped', null), reply('failed', null)];
  expect([...told, ...untold].map(isTold)).toEqual([true, true, false, false, false]);
  const turns: TalkTurn[] = [...told, ...untold, reply('writing', null)].map((one, i) => ({ words: String(i), replies: [one] }));
  expect(messagesOf(turns, 0, 5).map(({ content }) => content)).toEqual(['0', 'Ahoy', '1', '', '5']);
});
