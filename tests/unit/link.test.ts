/** Links into the page: whatever is written is read again, whatever is wrong costs one part and one sentence, and nothing that anybody can write does more. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advantageKinds, klEstimators } from '../../src/engine/engine.ts';
import { personaDraws } from '../../src/persona/persona.ts';
import { personas } from '../../src/persona/world.ts';
import { checkConfig, parseRunConfig } from '../../src/rl/check.ts';
import { objectiveNames, recipeNames, schedules, type RunConfig } from '../../src/rl/config.ts';
import { ownLibrary } from '../../src/persona/libraries.ts';
import { usualAsking } from '../../src/rl/asking.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { columnNames, hideable, lockable, noLink, startable, type Link } from '../../src/state/link-parts.ts';
import { readLink, writeLink } from '../../src/state/link.ts';
import { linkSettings, writeSettings } from '../../src/state/link-settings.ts';
import { viewHref, views } from '../../src/state/views.svelte.ts';
import { tasks } from '../../src/tasks/index.ts';

const rows = ['none', 'pirate', 'chef', 'child'];
const read = (query: string, path = '#/train') => readLink(`${path}?v=1&${query}`);
const settings = (config: object): Link => ({ ...noLink, config: parseRunConfig(config) });

/** Weights of 0 go without saying, where there are others; knobs that are none do too. */
function meant(config: RunConfig): RunConfig {
  const named = Object.entries(config.mix.weights);
  const some = named.filter(([, weight]) => weight !== 0);
  const weights = some.length > 0 ? Object.fromEntries(some) : named.length > 0 ? { nobody: 0 } : {};
  const asked = config.tasks.map(({ id, weight, knobs = {} }) => ({ id, weight, knobs }));
  return { ...config, tasks: asked, mix: { ...config.mix, weights } };
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const some = (max: number) => fc.double({ min: 0, max, noNaN: true });
const trained = personas.filter(({ heldOut }) => !heldOut).map(({ id }) => id);
const task = fc.constantFrom(...tasks).chain(({ id, knobs }) =>
  fc.record(
    {
      id: fc.constant(id),
      weight: some(4),
      knobs: fc.record(Object.fromEntries(knobs.map(({ name, low, high }) => [name, fc.integer({ min: low, max: high })])), {
        requiredKeys: [],
      }),
    },
    { requiredKeys: ['id', 'weight'] },
  ),
);
const configs = fc
  .record({
    recipe: fc.constantFrom(...recipeNames),
    seed: fc.integer({ min: 0, max: 0xffffffff }),
    steps: fc.integer({ min: 1, max: 1_000_000 }),
    policy: fc.constantFrom(recipes.permix.policy, 'SmolLM2-135M-Instruct~0123456789ab'),
    tasks: fc.array(task, { minLength: 1, maxLength: 4 }),
    mix: fc.record({
      noneShare: share,
      weights: fc.dictionary(fc.constantFrom(...trained), some(3)),
      draw: fc.constantFrom(...personaDraws),
    }),
    promptsPerStep: fc.integer({ min: 1, max: 1024 }),
    groupSize: fc.integer({ min: 2, max: 256 }),
    objective: fc.record({
      name: fc.constantFrom(...objectiveNames),
      advantage: fc.constantFrom(...advantageKinds),
      epsilonLow: share,
      epsilonHigh: some(9),
      beta: some(1),
      kl: fc.constantFrom(...klEstimators),
      entropyCoef: fc.double({ min: -1, max: 1, noNaN: true }),
      innerEpochs: fc.integer({ min: 1, max: 16 }),
      maskTruncated: fc.boolean(),
      overlongBuffer: fc.integer({ min: 0, max: 8 }),
      dynamicSampling: fc.integer({ min: 0, max: 16 }),
    }),
    sampling: fc.record({
      temperature: fc.double({ min: 1e-9, max: 10, noNaN: true }),
      topK: fc.integer({ min: 0, max: 1_000_000 }),
      topP: fc.double({ min: 1e-9, max: 1, noNaN: true }),
      minP: share,
      maxNewTokens: fc.integer({ min: 8, max: 4096 }),
    }),
    optim: fc.record({
      learningRate: some(1),
      schedule: fc.constantFrom(...schedules),
      warmupSteps: fc.integer({ min: 0, max: 1000 }),
      beta1: fc.constantFrom(0, 0.5, 0.9),
      beta2: fc.constantFrom(0, 0.95, 0.999),
      eps: fc.constantFrom(1e-8, 5e-324, 1),
      weightDecay: some(1),
      maxGradNorm: some(100),
      microBatchRows: fc.integer({ min: 0, max: 64 }),
    }),
    checkpointEvery: fc.integer({ min: 0, max: 1000 }),
    heldOut: fc.record({ questions: fc.integer({ min: 0, max: 1000 }), every: fc.integer({ min: 1, max: 1000 }) }),
    lora: fc.option(fc.record({ rank: fc.integer({ min: 1, max: 1024 }), alpha: fc.double({ min: 1e-6, max: 64, noNaN: true }) })),
  })
  .map((config) => JSON.parse(JSON.stringify(config)) as RunConfig)
  .filter((config) => checkConfig(config, personas).length === 0);

const subset = <T>(list: readonly T[]) => fc.subarray([...list]);
const links: fc.Arbitrary<Link> = fc.record({
  config: fc.option(configs),
  hide: subset(hideable),
  lock: subset(lockable),
  columns: subset(columnNames).map((list) => (list.length > 0 && list.length < columnNames.length ? list : null)),
  projector: fc.boolean(),
  recording: fc.option(fc.integer({ min: 0, max: 1_000_000 })),
  cell: fc.option(fc.record({ row: fc.constantFrom(...rows.slice(0, 3)), column: fc.constantFrom(...columnNames) })),
  autostart: fc.option(fc.constantFrom(...startable)),
});

describe('a link', () => {
  it('says what differs from the recipe, in words', () => {
    expect(writeLink('#/train', settings({ recipe: 'permix' }))).toBe('#/train?v=1&recipe=permix');
    const own = { recipe: 'permix', seed: 3, optim: { learningRate: 1e-3 }, objective: { name: 'dapo' }, lora: { rank: 8, alpha: 16 } };
    expect(writeLink('#/train', settings(own))).toBe('#/train?v=1&recipe=permix&seed=3&objective=dapo&lr=0.001&lora=8:16');
    const mixed = {
      recipe: 'permix',
      tasks: [
        { id: 'addition', weight: 1 },
        { id: 'countdown', weight: 2 },
      ],
      mix: { weights: { 'careless-pirate': 2, 'careful-chef': 0 } },
    };
    expect(writeLink('#/train', settings(mixed))).toBe(
      '#/train?v=1&recipe=permix&tasks=addition,countdown;weight:2&weights=careless-pirate:2',
    );
    expect(writeLink('#/train', { ...noLink, hide: ['runs', 'probe'], lock: ['settings'], autostart: 'race' })).toBe(
      '#/train?v=1&hide=runs,probe&lock=settings&autostart=race',
    );
    expect(writeLink('#/evaluate', noLink)).toBe('#/evaluate');
  });

  it('has a word of its own for every setting', () => {
    const leaves = (part: object, path: string): string[] =>
      Object.entries(part).flatMap(([key, value]) =>
        typeof value === 'object' && value !== null && !Array.isArray(value) && key !== 'weights'
          ? leaves(value, `${path}${key}.`)
          : [path + key],
      );
    const paths = [...linkSettings.values()].map(({ path }) => path);
    expect(paths.toSorted()).toEqual(
      [...leaves(recipes.permix, '').filter((path) => path !== 'recipe'), 'rewards', ...Object.keys(usualAsking)].toSorted(),
    );
  });

  it('is read as it was written, a thousand times', () => {
    fc.assert(
      fc.property(links, (link) => {
        const written = writeLink('#/train', link);
        const { link: again, complaints } = readLink(written);
        expect(complaints).toEqual([]);
        const plain = (it: Link): Link => ({ ...it, config: it.config && meant(it.config) });
        expect(plain(again)).toEqual(plain(link));
        expect(written).toMatch(/^#[\w/?&=.:;,%~!*'()-]*$/);
      }),
      { numRuns: 1000, seed: 10 },
    );
  });

  it('survives programs that encode what they need not', () => {
    const link = settings({
      recipe: 'rlvr',
      tasks: [
        { id: 'addition', weight: 0.5 },
        { id: 'sort', weight: 1 },
      ],
      lora: { rank: 4, alpha: 8 },
    });
    const mangled = writeLink('#/train', link).replace(/[,;:]/g, encodeURIComponent);
    expect(mangled).toContain('%3A');
    expect(readLink(mangled)).toEqual({ link, complaints: [] });
  });

  it('passes on what a chat template is told', () => {
    const link = settings({ recipe: 'rlvr', templateArguments: { enable_thinking: false, note: 'a & b = c?' } });
    expect(readLink(writeLink('#/train', link))).toEqual({ link, complaints: [] });
  });

  it('passes on how it is asked, but for personas of the reader’s own', () => {
    const asked = {
      ...{ library: 'general', noPersona: 'empty', noSystemRole: 'user', instruction: 'End with #### N, please & thanks.' },
      answers: ['hashes', 'last-number'],
    } as const;
    const link = settings({ recipe: 'rlvr', ...asked });
    expect(readLink(writeLink('#/train', link))).toEqual({ link, complaints: [] });
    const library = ownLibrary('[{ "id": "poet", "text": "You are a poet." }]', 'mine.json');
    expect(readLink(writeLink('#/train', settings({ recipe: 'rlvr', library })))).toEqual({
      link: settings({ recipe: 'rlvr' }),
      complaints: [],
    });
    const { complaints } = readLink('#/train?v=1&recipe=rlvr&answers=spoken&library=other');
    expect(complaints).toHaveLength(2);
  });

  it('of old is still one', () => {
    for (const { id } of views) expect(readLink(viewHref(id))).toEqual({ link: noLink, complaints: [] });
    for (const hash of ['', '#', '#/', '#/story/mixing', '#probe', '#/train?'])
      expect(readLink(hash)).toEqual({ link: noLink, complaints: [] });
  });
});

describe('what is wrong with a link', () => {
  const sentence = (query: string, path?: string) => {
    const { complaints } = read(query, path);
    expect(complaints).toHaveLength(1);
    return complaints[0]!;
  };

  it('is said of its part, with what is used instead, and the rest counts', () => {
    const { link, complaints } = read('recipe=rlvr&lr=-1&seed=3&hide=runs');
    expect(complaints).toEqual(['The link’s “lr” is “-1”. optim.learningRate must be at least 0. What RLVR has is used instead.']);
    expect(link.config).toEqual({ ...recipes.rlvr, seed: 3 });
    expect(link.hide).toEqual(['runs']);

    expect(sentence('seed=abc')).toBe('The link’s “seed” is “abc”. seed cannot be read from that. What PerMix has is used instead.');
    expect(sentence('recipe=ppo')).toMatch(/^The link’s “recipe” is “ppo”\. There are base, .*; PerMix is used instead\.$/);
    expect(sentence('policy=%2E%2E%2Fx')).toMatch(/^The link’s “policy” is “\.\.\/x”\. policy cannot be read from that\./);
    for (const key of ['toString', '__proto__']) expect(sentence(`${key}=1`)).toMatch(/that this page does not know; it was left out/);
    expect(sentence('colour=red')).toBe('The link has a part “colour” that this page does not know; it was left out.');
    expect(sentence('steps=5&steps=6')).toBe('The link has “steps” twice; the first one counts.');
    expect(sentence('hide=runs,everything')).toMatch(/There is no “everything”, which was left out; there are settings, /);
    expect(sentence('cell=chef')).toMatch(/^The link’s “cell” is “chef”\. It must be a row and a column/);
    expect(sentence('cell=chef.permix', '#/reproduce')).toMatch(/Only the picture of Train/);
    expect(sentence('autostart=now')).toMatch(/race or train; nothing starts by itself\.$/);
    expect(sentence('recording=-1')).toMatch(/must be a step/);
    expect(sentence('seed=1%E0%A4')).toBe('The link’s “seed” is damaged or cut off; it was left out.');
    expect(sentence('seed')).toBe('The link’s “seed” is damaged or cut off; it was left out.');
    expect(sentence('seed=3', '#/nowhere')).toBe('The link names the view “nowhere”, which does not exist; Train is shown instead.');
    expect(sentence(`weights=${'a'.repeat(4000)}`)).toBe('The link’s “weights” is longer than 3000 characters; it was left out.');
    expect(sentence('x'.repeat(20_000))).toMatch(/characters long, of at most 12000; only its view was taken\.$/);
    expect(readLink('#/train?v=2&seed=3').complaints).toEqual([
      'The link’s “v” is “2”. This page reads version 1; what it knows of the link counts.',
    ]);
    expect(readLink('#/train?v=2&seed=3').link.config!.seed).toBe(3);
    expect(readLink('#/train?seed=3').complaints).toEqual(['The link does not say its version (v=1); it was read as version 1.']);
  });

  it('may be what parts are together', () => {
    const { link, complaints } = read('kl=none&seed=3');
    expect(complaints[0]).toMatch(/^The link’s “kl” is “none”\. objective\.beta is 0\.02 but objective\.kl is "none"/);
    expect(link.config).toEqual({ ...recipes.permix, seed: 3 });
    expect(read('kl=none&beta=0').complaints).toEqual([]);
    expect(sentence('weights=careless-nobody:1')).toMatch(/persona "careless-nobody" that does not exist/);
    expect(sentence('tasks=chess')).toMatch(/There is no task "chess"/);
    expect(sentence('tasks=addition;digits:x')).toMatch(/tasks cannot be read from that/);
  });

  it('is told in a few sentences, however much it is, and turns no text around', () => {
    const { complaints } = read(Array.from({ length: 30 }, (_, i) => `strange${i}=1`).join('&'));
    expect(complaints).toHaveLength(4);
    expect(complaints.at(-1)).toBe('27 more parts of the link are wrong and did not count.');
    expect(read('lr=%E2%80%AEabc%00').complaints[0]).toContain('“�abc�”');
  });
});

it('a thousand hostile links: a configuration that can be run or none, sentences, and nothing of the program is changed', () => {
  const keys = [
    'v',
    ...linkSettings.keys(),
    'recipe',
    'hide',
    'lock',
    'columns',
    'projector',
    'recording',
    'cell',
    'autostart',
    '__proto__',
    'constructor',
    'toString',
  ];
  const poison = [
    '__proto__',
    'constructor',
    'javascript:alert(1)',
    '<script>alert(1)</script>',
    '1e999',
    'NaN',
    '-0',
    '0x10',
    '9'.repeat(400),
    '%',
    '%00',
    '\u202e',
    '{"__proto__":{"x":1}}',
    '__proto__:1',
    '__proto__;weight:1',
    'null',
    '[]',
    '../../etc',
    '',
    ' 1',
    '１',
  ];
  const value = fc.oneof(
    fc.constantFrom(...poison),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.json({ maxDepth: 3 }),
    fc.double().map(String),
  );
  const piece = fc
    .tuple(fc.oneof(fc.constantFrom(...keys), fc.string({ maxLength: 12 })), value, fc.boolean())
    .map(([key, text, plain]) => {
      return `${key}=${plain ? text : encodeURIComponent(text.toWellFormed())}`;
    });
  const path = fc.oneof(
    fc.constantFrom('#/train', '#/story/lottery', '#/evaluate', '#', ''),
    fc.string({ maxLength: 9 }).map((text) => `#/${text}`),
  );
  const built = fc.tuple(path, fc.array(piece, { maxLength: 8 })).map(([at, pieces]) => `${at}?${pieces.join('&')}`);
  const truncated = fc.tuple(links, share).map(([link, part]) => {
    const whole = writeLink('#/train', link);
    return whole.slice(0, Math.floor(part * whole.length));
  });
  const bytes = fc.uint8Array({ maxLength: 300 }).map((codes) => `#/train?${String.fromCharCode(...codes)}`);
  const words = { hide: hideable, lock: lockable, columns: columnNames, startable } as const;
  const before = JSON.stringify([recipes, Object.getOwnPropertyNames(Object.prototype)]);
  let refused = 0;
  fc.assert(
    fc.property(fc.oneof(built, truncated, bytes), (hash) => {
      const { link, complaints } = readLink(hash);
      if (link.config) {
        expect(checkConfig(link.config, personas)).toEqual([]);
        expect(link.config.policy).toMatch(/^[\w.-]{1,80}(~[0-9a-f]{12})?$/);
        expect(Object.getPrototypeOf(link.config.mix.weights)).toBe(Object.prototype);
      }
      for (const key of ['hide', 'lock', 'columns'] as const) expect(words[key]).toEqual(expect.arrayContaining([...(link[key] ?? [])]));
      if (link.autostart) expect(startable).toContain(link.autostart);
      refused += complaints.length;
      expect(complaints.length).toBeLessThanOrEqual(4);
      for (const text of complaints) {
        expect(text).toMatch(/^(The link|\d+ more part).*\.$/u);
        expect(text.length).toBeLessThan(400);
      }
      // What was read can be written, and is then free of complaints.
      expect(readLink(writeLink('#/train', link)).complaints).toEqual([]);
    }),
    { numRuns: 1000, seed: 10 },
  );
  expect(refused).toBeGreaterThan(500);
  expect(JSON.stringify([recipes, Object.getOwnPropertyNames(Object.prototype)])).toBe(before);
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});

it('a configuration whose mix has everybody at 0 keeps that', () => {
  const config = parseRunConfig({ recipe: 'rlvr', mix: { weights: { 'careless-pirate': 0, 'careful-chef': 0 } } });
  expect(new Map(writeSettings(config)).get('weights')).toBe('careless-pirate:0');
});
