/**
 * The shapes of a study's results and of a recording, as far as anything that shows them goes: whatever passes here can be drawn. What they
 * carry besides is left alone; whether they are whole is for who reads them.
 */
import { z } from '../../schema.ts';
import { personaKinds } from '../../persona/persona.ts';

const number = z.number();
const text = z.string();
const known = z.nullable(number);
const list = <T extends z.core.SomeType>(of: T) => z.array(of);
// Sums of shares round: an expected best of 27 personas that are always right came out as 1 + 2e-16.
const share = number.check(z.minimum(-1e-9), z.maximum(1 + 1e-9));
const date = text.check(z.refine((value) => !Number.isNaN(Date.parse(value))));
const columns = <K extends string>(...names: readonly K[]) =>
  Object.fromEntries(names.map((name) => [name, number])) as Record<K, typeof number>;

const stability = z.looseObject({
  ...columns('pssMean', 'std', 'itemStability'),
  pss: share,
  min: share,
  max: share,
  mean: share,
  spread: share,
  worstCaseUtility: known,
});
const measures = z.looseObject({ replies: number, pmi: known, mean: z.nullable(share) });
const spread = z.nullable(z.looseObject({ mean: number, std: number.check(z.minimum(0)) }));
const points = list(z.looseObject({ personas: number, accuracy: number, cost: z.looseObject(columns('once', 'each')) }));

/** What a run of a study leaves in its folder. */
export const resultShape = z.looseObject({
  seed: z.int(),
  config: z.looseObject({ recipe: text, steps: z.int() }),
  engine: z.looseObject({ engine: text, backend: text, adapter: z.nullable(text) }),
  finished: date,
  build: text,
  seconds: z.looseObject(columns('train', 'evaluate')),
  accuracy: z.looseObject({ none: share, personas: list(share) }),
  stability: z.looseObject({ all: stability, trained: z.nullable(stability), heldOut: z.nullable(stability) }),
  shuffled: z.looseObject(columns('mean', 'low', 'high', 'p', 'shuffles')),
  lottery: list(share),
  fidelity: z.nullable(z.looseObject({ headline: z.nullable(share), task: measures, roleplay: measures })),
  shift: z.nullable(z.looseObject({ none: number, personas: list(number), trained: spread, heldOut: spread })),
  inference: z.looseObject({ search: points, ensemble: points }),
  curve: z.nullable(
    z.looseObject({ step: list(z.int()), reward: list(number), entropy: list(number), kl: list(known), length: list(number) }),
  ),
});

const run = z.extend(resultShape, { arm: text });

const equivalence = z.looseObject({ reading: z.enum(['equivalent', 'larger', 'open']), ...columns('margin', 'low', 'high') });
const group = z.looseObject({
  label: text,
  seeds: number,
  ratio: number,
  low: known,
  high: known,
  equivalence: z.nullable(equivalence),
});

export const studyShape = z.looseObject({
  study: z.looseObject({
    name: text,
    title: text,
    command: text,
    date,
    base: z.looseObject({ id: text, hash: text, bundled: z.boolean(), ownPrompt: z.optional(text) }),
    hash: text,
    steps: z.int(),
    examination: z.looseObject(columns('problems', 'fidelityReplies')),
    versions: z.record(text, text),
    reference: z.nullable(text),
  }),
  arms: list(z.looseObject({ id: text, label: text, recipe: text, setting: z.nullable(text) })),
  personas: list(z.looseObject({ id: text, name: text, voice: z.nullable(text), kind: z.enum(personaKinds), heldOut: z.boolean() })),
  seeds: list(z.looseObject({ seed: z.int(), runs: list(run) })),
  together: z.optional(
    list(z.looseObject({ id: text, statement: text, measure: text, setting: text, sources: list(group), fresh: group, all: group })),
  ),
});

const rollout = z.looseObject({
  ...columns('row', 'reward', 'advantage'),
  group: text,
  personaId: z.nullable(text),
  questionId: text,
  task: text,
  question: text,
  answer: text,
  prompt: text,
  completion: text,
  pieces: list(text),
  logprobs: list(number),
  entropies: list(number),
  correct: z.boolean(),
  ended: z.boolean(),
  parsed: z.nullable(text),
  reason: text,
  tokens: z.optional(list(z.int())),
  length: z.optional(z.int()),
  refLogprobs: z.optional(list(number)),
  lastPass: z.optional(z.looseObject({ logprobs: list(number), entropies: list(number), logRatio: number })),
  batch: z.optional(z.looseObject(columns('rows', 'tokens', 'endedTokens', 'rewardStd'))),
});

const heldOutReply = z.looseObject({ question: text, answer: text, text, correct: z.boolean(), parsed: z.nullable(text), reason: text });

export const recordingShape = z.looseObject({
  command: text,
  date,
  engine: text,
  backend: text,
  adapter: z.nullable(text),
  policy: text,
  runs: list(
    z.looseObject({
      name: text,
      config: z.looseObject({ steps: z.int() }),
      columns: z.record(text, list(known)),
      personas: list(z.record(text, z.looseObject(columns('correct', 'total')))),
      rollouts: list(z.looseObject({ step: z.int(), rollouts: list(rollout) })),
      heldOut: list(z.looseObject({ step: z.int(), rows: list(z.looseObject({ row: text, replies: list(heldOutReply) })) })),
    }),
  ),
});

/** Where a value first has another shape, `seeds.0.runs.2.accuracy`; null where it has this one. */
export function misshapen(shape: z.ZodMiniType, value: unknown): string | null {
  const [issue] = shape.safeParse(value).error?.issues ?? [];
  return issue ? issue.path.join('.') || 'the whole' : null;
}
