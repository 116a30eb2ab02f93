/**
 * The shape of a study's results, as far as anything that shows them goes: whatever passes here can be drawn. What they carry besides is left
 * alone; whether they are whole is for who reads them (`read-study.ts`).
 */
import { z } from '../schema.ts';
import { personaKinds } from '../persona/persona.ts';

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
