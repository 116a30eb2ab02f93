/** The step, opened: what is filtered and counted, how marks are drawn, what tokens are coloured by, and the formula's parts. */
import { readFileSync } from 'node:fs';
import katex from 'katex';
import { describe, expect, it } from 'vitest';
import { fewerFonts, unusedFonts } from '../../scripts/katex-plugin.ts';
import { objectiveNames, type RunConfig } from '../../src/rl/config.ts';
import type { RolloutRecord } from '../../src/rl/events.ts';
import { presetObjective } from '../../src/rl/objectives.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { rolloutTerms } from '../../src/rl/rollout-terms.ts';
import { countKinds, everything, filterGroups, groupRollouts, type RolloutFilter } from '../../src/state/rollout-groups.ts';
import { RolloutsState, type RolloutsApi } from '../../src/state/rollouts.svelte.ts';
import type { Alternatives } from '../../src/worker/api.ts';
import { differences, formulaParts, number, partIds, pushWords, wholeFormula } from '../../src/ui/rollouts/formula/parts.ts';
import { markName, markPieces, markText } from '../../src/ui/rollouts/marks.ts';
import { onScale, scaleOf, shadeComplaint, shadeValue, tokenWords } from '../../src/ui/rollouts/shade.ts';

const batch = { rows: 8, tokens: 40, endedTokens: 30, rewardStd: 0.5 };
const rollout = (row: number, group: string, correct: boolean, more: Partial<RolloutRecord> = {}): RolloutRecord => ({
  step: 3,
  row,
  group,
  personaId: null,
  questionId: group,
  task: 'addition',
  question: group,
  answer: '42',
  prompt: `<|user|>${group}<|end|><|assistant|>`,
  completion: correct ? 'It is 42.' : 'It is 41.',
  pieces: ['It', ' is', ' 42'],
  logprobs: [-0.5, -0.1, -2],
  entropies: [1, 0.2, 1.5],
  reward: Number(correct),
  advantage: correct ? 0.5 : -0.5,
  correct,
  ended: true,
  parsed: null,
  reason: 'no \\boxed answer',
  tokens: [7, 8, 9],
  length: 3,
  refLogprobs: [-0.4, -0.1, -3],
  batch,
  ...more,
});
const step = [
  rollout(0, 'a', false),
  rollout(1, 'a', true),
  rollout(2, 'b', true, { personaId: 'usual-pirate', completion: 'Arr, 42!' }),
  rollout(3, 'b', true, { personaId: 'usual-pirate', ended: false }),
  rollout(4, 'c', false, { task: 'ordering' }),
  rollout(5, 'c', false, { task: 'ordering', personaId: 'own' }),
];
const groups = groupRollouts(step);
const voiceOf = (id: string) => (id === 'usual-pirate' ? 'pirate' : null);

describe('groups', () => {
  it('rank their replies by reward, then by advantage, and are counted by how they came out', () => {
    const tied = groupRollouts([
      rollout(0, 'a', true, { advantage: 0.1 }),
      rollout(1, 'a', true, { advantage: 0.3 }),
      rollout(2, 'a', false),
    ]);
    expect(tied[0]!.rollouts.map(({ row }) => row)).toEqual([1, 0, 2]);
    expect(countKinds(groups)).toEqual({ right: 1, mixed: 1, wrong: 1 });
  });

  it.each<[string, Partial<RolloutFilter>, number[][]]>([
    [
      'everything',
      {},
      [
        [1, 0],
        [2, 3],
        [4, 5],
      ],
    ],
    ['a kind', { kind: 'mixed' }, [[1, 0]]],
    ['a voice', { voice: 'pirate' }, [[2, 3]]],
    ['no persona', { voice: 'none' }, [[1, 0], [4]]],
    ['a task', { task: 'ordering' }, [[4, 5]]],
    ['a verdict', { verdict: 'right' }, [[1], [2, 3]]],
    ['what was cut off', { cutOff: true }, [[3]]],
    ['words', { text: ' ARR ' }, [[2]]],
    ['several at once', { verdict: 'wrong', voice: 'none' }, [[0], [4]]],
    ['nothing', { text: 'no such words' }, []],
  ])('are filtered by %s', (_, change, rows) => {
    const shown = filterGroups(groups, { ...everything, ...change }, voiceOf);
    expect(shown.map((group) => group.shown.map(({ row }) => row))).toEqual(rows);
    // A group is what it is, however little of it is shown.
    for (const group of shown) expect(group.rollouts).toHaveLength(2);
  });
});

describe('the step on view', () => {
  const answer: Alternatives = { policy: { kind: 'current' }, tokens: [], said: { probability: 1, rank: 1 } };
  const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
  function open(api: Partial<RolloutsApi> = {}) {
    const asked: unknown[] = [];
    const full: RolloutsApi = {
      rolloutSteps: async () => [10, 20, 23],
      rollouts: async (_, at) => step.map((one) => ({ ...one, step: at })),
      alternatives: async (request) => {
        asked.push(request);
        return answer;
      },
      ...api,
    };
    return {
      view: new RolloutsState(
        () => full,
        () => [],
      ),
      asked,
    };
  }

  it('is the newest of those that are kept, and the most telling group', async () => {
    const { view } = open();
    await view.open('run');
    expect([view.steps, view.step, view.newest, view.group?.key]).toEqual([[10, 20, 23], 23, 23, 'a']);
    await view.show(10);
    expect([view.step, view.follow]).toEqual([10, false]);
    view.receive(24, step);
    expect([view.step, view.steps]).toEqual([10, [10, 20, 23, 24]]);
    // After a recovery a step is made again.
    view.receive(23, step);
    expect(view.steps).toEqual([10, 20, 23]);
  });

  it('has the steps that came too fast to be sent one by one', async () => {
    let kept: number[] = [];
    const { view } = open({ rolloutSteps: async () => kept });
    await view.open('run');
    expect(view.steps).toEqual([]);
    kept = [1, 2, 3];
    view.receive(3, step);
    await settle();
    expect([view.steps, view.step]).toEqual([[1, 2, 3], 3]);
  });

  it('stays while a token is pinned, and asks the policy only where it is wanted', async () => {
    const { view, asked } = open();
    await view.open('run');
    view.pin(view.group!.rollouts[0]!, 7);
    expect([view.pinned.at, view.follow, asked]).toEqual([2, false, []]);
    view.receive(24, step);
    expect([view.step, view.pinned.rollout?.row]).toEqual([23, 1]);
    await view.pinned.ask();
    expect(asked).toEqual([{ runId: 'run', step: 23, prompt: step[1]!.prompt, before: [7, 8], said: 9 }]);
    expect(view.pinned.alternatives).toBe(answer);
    view.pinned.clear();
    expect([view.pinned.rollout, view.pinned.alternatives]).toEqual([null, null]);
  });

  it('an answer that comes too late is of another token, and is left', async () => {
    let reply: (answer: Alternatives) => void = () => {};
    const { view } = open({ alternatives: () => new Promise((resolve) => (reply = resolve)) });
    await view.open('run');
    view.pin(view.group!.rollouts[0]!, 0);
    const asking = view.pinned.ask();
    view.pin(view.group!.rollouts[0]!, 1);
    reply(answer);
    await asking;
    expect(view.pinned.alternatives).toBeNull();
    view.pinned.clear();
  });

  it('says what cannot be read', async () => {
    const { view } = open({ rollouts: () => Promise.reject(new Error('The disk is gone.')) });
    await view.open('run');
    await settle();
    expect(view.problem).toMatch(/The disk is gone/);
  });

  it('narrowed to what is not there, has no group, and is whole again', async () => {
    const { view } = open();
    await view.open('run');
    view.narrow({ text: 'nowhere' });
    expect(view.group).toBeNull();
    view.narrow(everything);
    expect(view.shown).toHaveLength(3);
  });
});

describe('marks', () => {
  const kinds = (pieces: string[]) => markPieces(pieces).map((segments) => segments.map(({ text, kind }) => [kind, text]));

  it('a box is drawn around its content, whatever tokens it is cut into', () => {
    expect(kinds(['It is', ' \\boxed{', '4', '1', '}.', '<|end|>'])).toEqual([
      [['text', 'It is']],
      [
        ['text', ' '],
        ['open', '\\boxed{'],
      ],
      [['boxed', '4']],
      [['boxed', '1']],
      [
        ['close', '}'],
        ['text', '.'],
      ],
      [['chat', '<|end|>']],
    ]);
    expect(kinds(['\\', 'boxed', '{7}', '!'])).toEqual([
      [['open', '\\']],
      [['open', 'boxed']],
      [
        ['open', '{'],
        ['boxed', '7'],
        ['close', '}'],
      ],
      [['text', '!']],
    ]);
    const [[, content]] = markPieces(['\\boxed{\\frac{1}{2}}']) as [[unknown, unknown]];
    expect(content).toEqual({ text: '\\frac{1}{2}', kind: 'boxed', first: true, last: true });
  });

  it('one that was cut off is no box, and an empty one has no content', () => {
    expect(kinds(['\\boxed{', '4'])).toEqual([[['text', '\\boxed{']], [['text', '4']]]);
    expect(kinds(['\\boxed{}'])).toEqual([
      [
        ['open', '\\boxed{'],
        ['close', '}'],
      ],
    ]);
  });

  it('keeps every character', () => {
    const pieces = ['a \\boxed{', '{x', '} ', '} b', ' <eos> ', '<|im_end|>', '1 < 2 > 0', '\\fbox {3}'];
    expect(markPieces(pieces).map((segments) => segments.map(({ text }) => text).join(''))).toEqual(pieces);
  });

  it('of a prompt are its chat marks', () => {
    expect(markText('<|user|>1 < 2?<|end|>')).toEqual([
      { text: '<|user|>', kind: 'chat' },
      { text: '1 < 2?', kind: 'text' },
      { text: '<|end|>', kind: 'chat' },
    ]);
    expect(['<|end|>', '<eos>', '</s>'].map(markName)).toEqual(['end', 'eos', 's']);
  });
});

const config: RunConfig = { ...recipes.permix, objective: { ...recipes.permix.objective, name: 'grpo', beta: 0.02, kl: 'k3' } };
const row = (of: RolloutRecord, settings = config) => ({ ...of, terms: rolloutTerms(of, [step[0]!, step[1]!], settings) });

describe('colours', () => {
  it('are of each token’s own numbers', () => {
    const one = row(step[1]!);
    expect(shadeValue(one, 2, 'logprob')).toBe(2);
    expect(shadeValue(one, 2, 'entropy')).toBe(1.5);
    expect(shadeValue(one, 2, 'push')).toBe(0.5);
    expect(shadeValue(one, 2, 'kl')).toBeCloseTo(Math.expm1(-1) + 1, 12);
    expect(shadeValue(one, 2, 'term')).toBe(one.terms!.terms[2]!.value);
    expect(shadeValue(one, 2, 'none')).toBeNull();
    expect(tokenWords(one, 2)).toMatch(
      /^“␣42” · probability 14 % · log-prob −2.00 nats · entropy 1.50 nats · under the base 5 % · term −0/,
    );
  });

  it('what rounds to nothing is written without a sign', () => {
    expect(tokenWords(row({ ...step[1]!, logprobs: [-0.001, -0.1, -2] }), 0)).toContain('log-prob 0.00 nats');
  });

  it('lie on one scale for a group, signed ones around 0', () => {
    const rows = [row(step[1]!), row(step[0]!)];
    const push = scaleOf('push', rows);
    expect(push).toEqual({ shade: 'push', signed: true, end: 0.5 });
    expect([onScale(0.5, push), onScale(-0.25, push), onScale(9, push), onScale(null, push), onScale(NaN, push)]).toEqual([
      1, -0.5, 1, 0, 0,
    ]);
    expect(onScale(-1, scaleOf('logprob', rows))).toBe(0);
    expect(scaleOf('push', [row({ ...step[1]!, advantage: 0 })]).end).toBe(0);
    expect(onScale(0, { shade: 'push', signed: true, end: 0 })).toBe(0);
  });

  it('that are not known are said to be missing', () => {
    const { refLogprobs: _, batch: __, ...earlier } = step[1]!;
    const old = row(earlier);
    expect(shadeComplaint('kl', [old])).not.toBeNull();
    expect(shadeComplaint('term', [old])).not.toBeNull();
    expect(shadeComplaint('entropy', [old])).toBeNull();
    expect([shadeValue(old, 0, 'term'), shadeValue(old, 0, 'kl'), shadeValue(old, 0, 'push')]).toEqual([null, null, null]);
    expect(shadeComplaint('kl', [row(step[1]!)])).toBeNull();
  });
});

describe('the formula', () => {
  const passed = { ...step[1]!, lastPass: { logprobs: [-0.5, -0.1, -1.5], entropies: [1, 0.2, 1.2], logRatio: 0.5 } };
  const terms = (of: RolloutRecord, objective = config.objective) => rolloutTerms(of, [step[0]!, of], config, objective)!;
  const byId = (of: ReturnType<typeof terms>, at: number) => Object.fromEntries(formulaParts(of, at, 48).map((part) => [part.id, part]));

  it('has every part of every objective, without a number that is none', () => {
    for (const name of objectiveNames) {
      for (const of of [step[1]!, step[0]!, passed, { ...step[1]!, ended: false }]) {
        const own = terms(of, { ...presetObjective(name), entropyCoef: 0.01 });
        const parts = formulaParts(own, 2, 48);
        expect(parts.map(({ id }) => id)).toEqual(partIds);
        expect(
          parts.every(
            ({ words, symbols, numbers, result }) =>
              words !== '' && !/NaN|undefined|null|Infinity/.test(words + symbols + numbers + result),
          ),
        ).toBe(true);
        expect(wholeFormula(own, 2)).not.toMatch(/NaN|undefined|null|Infinity/);
      }
    }
  });

  it('is drawn by KaTeX without a complaint, in the fonts that are served', () => {
    const css = readFileSync('node_modules/katex/dist/katex.min.css', 'utf8');
    const fewer = fewerFonts(css);
    const files = fewer.match(/(?<=url\()[^)]*/g)!;
    expect(files.length).toBe(10);
    for (const file of files) expect(file).toMatch(/^fonts\/KaTeX_(Main|Math|Size\d)-\w+\.woff2$/);
    // Classes of the rules whose family is not served.
    const classes = [...css.matchAll(/([^{}]*)\{[^}]*font-family:(KaTeX_\w+)/g)]
      .filter(([, , family]) => unusedFonts.test(family!))
      .flatMap(([, selector]) => selector!.match(/(?<=\.)(?!katex)[\w-]+(?=[,{]|$)/g) ?? []);
    expect(classes).toContain('mathbb');
    for (const name of objectiveNames) {
      for (const of of [step[1]!, passed, { ...passed, advantage: -0.5 }]) {
        const own = terms(of, { ...presetObjective(name), entropyCoef: 0.01 });
        const all = [
          wholeFormula(own, 2),
          ...formulaParts(own, 2, 48).flatMap(({ symbols, numbers, result }) => [symbols, numbers, result]),
        ];
        for (const tex of all) {
          const html = katex.renderToString(tex, { throwOnError: true, strict: 'error' });
          const used = new Set([...html.matchAll(/class="([^"]*)"/g)].flatMap(([, list]) => list!.split(' ')));
          expect(classes.filter((one) => used.has(one))).toEqual([]);
        }
      }
    }
  });

  it('holds this token’s numbers, and says which branch won', () => {
    const parts = byId(terms(passed), 2);
    expect(parts['weight']).toMatchObject({ numbers: '\\frac{1}{8\\cdot 3}', result: '0.0417' });
    expect(parts['ratio']).toMatchObject({ numbers: 'e^{-1.5 - (-2)}', result: '1.6487' });
    // 1.65 is above 1.2 with an advantage above 0.
    expect(parts['policy']).toMatchObject({ result: '-0.6' });
    expect(parts['policy']!.numbers).toContain('\\underbrace{\\operatorname{clip}(1.6487,\\,0.8,\\,1.2)\\cdot 0.5}_{\\text{wins}}');
    expect(parts['policy']!.words).toMatch(/clipped value wins/);
    const against = byId(terms({ ...passed, advantage: -0.5 }), 2);
    expect(against['policy']!.numbers).toContain('\\underbrace{1.6487\\cdot (-0.5)}_{\\text{wins}}');
    expect(against['policy']!.words).toMatch(/unclipped value .* wins/);
    // A range as narrow as GSPO's is not rounded away.
    expect(byId(terms(passed, presetObjective('gspo')), 2)['policy']!.words).toMatch(/outside of 0\.9997 to 1\.0004/);
    expect(byId(terms(step[1]!), 2)['ratio']!.words).toMatch(/so the ratio is 1/);
  });

  it('says what the update does', () => {
    expect(pushWords(terms(step[1]!), 2)).toMatch(/likelier: the loss falls by 0\.0/);
    expect(pushWords(terms(step[0]!), 2)).toMatch(/less likely/);
    const plain = { ...config.objective, beta: 0, kl: 'none' as const };
    expect(pushWords(rolloutTerms(passed, [step[0]!, passed], { ...config, objective: plain })!, 2)).toMatch(/clipped value won/);
    expect(pushWords(terms({ ...step[1]!, ended: false }, presetObjective('dapo')), 2)).toMatch(/left out of the loss/);
  });

  it('beside another objective marks what differs, in what it is or in number', () => {
    const own = formulaParts(terms(step[1]!), 2, 48);
    const differing = (name: (typeof objectiveNames)[number]) =>
      differences(own, formulaParts(terms(step[1]!, presetObjective(name)), 2, 48));
    expect(differences(own, own)).toEqual(Object.fromEntries(partIds.map((id) => [id, null])));
    expect(differing('dr_grpo')).toMatchObject({ weight: 'form', advantage: 'form', ratio: null, kl: null });
    expect(differing('dapo')).toMatchObject({ weight: 'form', ratio: null, kl: 'form' });
    expect(differing('gspo')).toMatchObject({ weight: null, ratio: 'form', policy: 'form' });
    expect(differing('cispo')).toMatchObject({ weight: 'form', advantage: 'form', policy: 'form' });
  });

  it('writes numbers with three digits', () => {
    expect([0, 1, -0.5, 0.00123456, 0.000123456, 123456, 1e9, -2.5e-7].map(number)).toEqual([
      '0',
      '1',
      '-0.5',
      '0.00123',
      '1.23\\times 10^{-4}',
      '123456',
      '1\\times 10^{9}',
      '-2.5\\times 10^{-7}',
    ]);
  });
});
