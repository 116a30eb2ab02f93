/** The shape of a recording, as far as anything that shows it goes; whether it is whole is for who reads it (`recording.ts`). */
import { z } from '../schema.ts';

const number = z.number();
const text = z.string();
const known = z.nullable(number);
const list = <T extends z.core.SomeType>(of: T) => z.array(of);
const date = text.check(z.refine((value) => !Number.isNaN(Date.parse(value))));
const columns = <K extends string>(...names: readonly K[]) =>
  Object.fromEntries(names.map((name) => [name, number])) as Record<K, typeof number>;

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
