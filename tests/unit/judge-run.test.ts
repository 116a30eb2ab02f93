/** A whole judging with a real engine and a real judge: answers, verdicts, a judge that goes away, and the rest of it later. */
import type { Candidate } from '../../src/evaluate/request.ts';
import { afterEach, describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { parseBenchmark } from '../../src/evaluate/judge/benchmark.ts';
import { benchmarkTasks } from '../../src/evaluate/judge/tasks.ts';
import { JudgeClient } from '../../src/evaluate/judge/client.ts';
import { planJudging, plannedQuestions } from '../../src/evaluate/judge/plan.ts';
import { judgedAnswers } from '../../src/evaluate/judge/report.ts';
import { judgePrompt } from '../../src/evaluate/judge/rubric.ts';
import { runJudging, type JudgeCell, type JudgeStore, type JudgingProgress } from '../../src/evaluate/judge/run.ts';
import { scorePolicies } from '../../src/evaluate/judge/score.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { judgeServer, status, type Behaviour, type JudgeServer } from '../helpers/judge-server.ts';
import { tinyConfig, tinyEosIds, tinyTokenizer } from '../helpers/tiny-policy.ts';

const file = Object.fromEntries(
  ['A poet', 'A cook', 'A judge'].map((persona) => [
    persona,
    Object.fromEntries(benchmarkTasks.map(({ name }) => [name, ['Why?', 'How?', 'Who?']])),
  ]),
);
const sampling = { temperature: 0.9, topP: 0.9, maxNewTokens: 6, seed: 4 };
const reader = { name: 'tiny', tokenizer: tinyTokenizer(), maxPositions: tinyConfig.maxPositions };
const plan = planJudging(parseBenchmark(JSON.stringify(file), 'b.json'), [reader], { personas: 3, questions: 2, maxNewTokens: 6, seed: 1 });

/** Counts how often it was opened and closed. */
function candidate(seed: number): Candidate & { opened: number; closed: number } {
  return {
    ...reader,
    name: `tiny ${seed}`,
    eosIds: tinyEosIds,
    opened: 0,
    closed: 0,
    async open() {
      this.opened++;
      return createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, seed), engine: 'portable', backend: 'cpu' });
    },
    close() {
      this.closed++;
    },
  };
}
class Kept implements JudgeStore {
  readonly cells = new Map<string, JudgeCell>();
  read(key: string) {
    return this.cells.get(key);
  }
  async write(key: string, cell: JudgeCell) {
    expect(this.cells.has(key)).toBe(false);
    this.cells.set(key, cell);
  }
  get verdicts() {
    return [...this.cells.values()].flatMap((cell) => ('verdict' in cell ? [cell.verdict] : []));
  }
}

let server: JudgeServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});
async function judge(behaviour: Behaviour, retries = 1) {
  server = await judgeServer(behaviour);
  return new JudgeClient({ address: server.url, model: 'm', key: null }, { backoffMs: 1, retries, timeoutMs: 2000 });
}
/** A score that hangs on what is asked, so that a mix-up shows. */
const scoreOf = (text: string) => 1 + ([...text].reduce((sum, character) => sum + character.charCodeAt(0), 0) % 5);
const honest: Behaviour = ({ body }) => `Because.\nScore: ${scoreOf(body.messages[1]!.content)}`;
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );

describe('a judging', () => {
  it('asks for every answer once, and puts each verdict where it belongs', async () => {
    const store = new Kept();
    const policies = [candidate(1), candidate(2)];
    const told: JudgingProgress[] = [];
    const client = await judge(honest);
    await runJudging({ plan, policies, sampling, judge: client, store, onProgress: (progress) => told.push(progress) });
    const total = 2 * plannedQuestions(plan);
    expect(total).toBe(2 * 3 * 5 * 2);
    expect(server!.asked).toHaveLength(total);
    expect(store.verdicts).toHaveLength(total);
    expect(told.at(-1)).toMatchObject({ done: total, made: total, total });
    expect(told.map(({ done }) => done)).toEqual(told.map(({ done }) => done).toSorted((a, b) => a - b));
    expect(policies.map(({ opened, closed }) => [opened, closed])).toEqual(Array(2).fill([1, 1]));
    for (const { persona, task, question, policies: said } of judgedAnswers({ plan, names: ['a', 'b'], read: (key) => store.read(key) })) {
      for (const one of said) {
        const [, prompt] = judgePrompt({ task, description: persona, question, answer: one!.text });
        expect(one!.verdict).toEqual({
          score: scoreOf(prompt!.content),
          outcome: 'scored',
          said: expect.stringContaining('Because') as string,
          asked: 1,
        });
      }
    }
    const [first, second] = scorePolicies(plan, ['a', 'b'], (key) => store.read(key));
    expect(first!.tasks.every(({ scored, planned }) => scored === planned)).toBe(true);
    expect(first!.personaScore!.value).toBeGreaterThanOrEqual(1);
    expect(second!.difference!.personas).toBe(3);

    // Everything is kept: nothing is computed, nobody is asked.
    const again = [candidate(1), candidate(2)];
    await runJudging({ plan, policies: again, sampling, judge: client, store });
    expect(server!.asked).toHaveLength(total);
    expect(again.map(({ opened }) => opened)).toEqual([0, 0]);
  });

  it('asks again for a verdict that cannot be read, three times in all, and counts it', async () => {
    const store = new Kept();
    const client = await judge(({ body }) => {
      const [task] = /Criterion \((.*?)\)/.exec(body.messages[1]!.content)!.slice(1);
      if (task === 'Toxicity') return 'It is nice.';
      // The second time it understands.
      return task === 'Expected Action' && body.messages.length === 2 ? 'Hm.' : 'Score: 3';
    });
    await runJudging({ plan, policies: [candidate(1)], sampling, judge: client, store });
    const [policy] = scorePolicies(plan, ['p'], (key) => store.read(key));
    const toxicity = policy!.tasks.find(({ task }) => task === 'toxicity')!;
    expect(toxicity).toEqual({ task: 'toxicity', mean: null, planned: 6, scored: 0, unparsed: 6, refused: 0 });
    expect(policy!.personaScore!.value).toBe(3);
    expect(
      store.verdicts.filter(({ outcome }) => outcome === 'unparsed').every(({ asked, said }) => asked === 3 && said === 'It is nice.'),
    ).toBe(true);
    expect(server!.asked).toHaveLength(6 * 3 + 6 * 2 + 18);
  });

  it('ends with the sentence of a judge that goes away, keeps what is done, and goes on with the rest', async () => {
    const [whole, store] = [new Kept(), new Kept()];
    const client = await judge(honest);
    await runJudging({ plan, policies: [candidate(1)], sampling, judge: client, store: whole });

    await server!.close();
    const cut = await judge((asked) => (asked.n >= 13 ? (response) => void response.destroy() : honest(asked)));
    const error = await failure(runJudging({ plan, policies: [candidate(1)], sampling, judge: cut, store }));
    expect(labErrorCode(error)).toBe('network');
    expect((error as Error).message).toMatch(/cannot be reached: the connection was cut/);
    expect(store.verdicts.length).toBeGreaterThanOrEqual(12);
    expect(store.verdicts.length).toBeLessThanOrEqual(13);
    const kept = store.verdicts.length;

    await server!.close();
    const later = await judge(honest);
    await runJudging({ plan, policies: [candidate(1)], sampling, judge: later, store });
    expect(server!.asked).toHaveLength(plannedQuestions(plan) - kept);
    // The same answers, hence the same verdicts, as if nothing had happened.
    expect(Object.fromEntries(store.cells)).toEqual(Object.fromEntries(whole.cells));
  });

  it('stops when asked to, and says so', async () => {
    const store = new Kept();
    const abort = new AbortController();
    const client = await judge(async (asked) => {
      if (asked.n === 4) abort.abort();
      return honest(asked) as string;
    });
    const policy = candidate(1);
    const error = await failure(runJudging({ plan, policies: [policy], sampling, judge: client, store, signal: abort.signal }));
    expect(labErrorCode(error)).toBe('cancelled');
    expect(store.verdicts.length).toBeLessThan(6);
    expect(policy.closed).toBe(1);
  });

  it('does not ask the others once one answer was refused for good', async () => {
    const store = new Kept();
    const client = await judge(() => status(401, 'no'));
    const error = await failure(runJudging({ plan, policies: [candidate(1)], sampling, judge: client, store, parallel: 4 }));
    expect((error as Error).message).toMatch(/401/);
    expect(server!.asked.length).toBeLessThanOrEqual(4);
    expect(store.cells.size).toBe(1);
  });
});
