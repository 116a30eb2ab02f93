/**
 * zod, as every file here uses it: without code compiled at run time (`new Function`), which the page's content security policy forbids
 * and which zod otherwise tries as soon as a schema is made. Hence the one door to it; lint holds that there is no other.
 */
import * as z from 'zod/mini';

z.config({ jitless: true });

export { z };

/** Where a value first has another shape, `seeds.0.runs.2.accuracy`; null where it has this one. */
export function misshapen(shape: z.ZodMiniType, value: unknown): string | null {
  const [issue] = shape.safeParse(value).error?.issues ?? [];
  return issue ? issue.path.join('.') || 'the whole' : null;
}
