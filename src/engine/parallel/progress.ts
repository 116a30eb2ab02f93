/**
 * What several threads tell of their parts of a generation, as one engine would tell it: a position when every part has come to it, or has ended.
 */
import type { GenerateProgress, GenerateRequest } from '../engine.ts';

type Part = Pick<GenerateRequest, 'prompts' | 'repeats'>;

/** @returns takes the progress of a part, by its number */
export function joinedProgress(
  parts: readonly Part[],
  tell: (progress: GenerateProgress) => void,
): (part: number, progress: GenerateProgress) => void {
  const counts = parts.map(({ prompts, repeats }) => prompts.length * repeats);
  const firsts = counts.map((_, part) => counts.slice(0, part).reduce((sum, count) => sum + count, 0));
  const rows = counts.reduce((sum, count) => sum + count, 0);
  /** By part and position. */
  const said = parts.map((): GenerateProgress[] => []);
  const ended = parts.map(() => false);
  let next = 0;
  const join = (some: readonly (GenerateProgress | undefined)[], position: number) => {
    const tokens = new Int32Array(rows).fill(-1);
    let active = 0;
    some.forEach((progress, part) => {
      if (progress) tokens.set(progress.tokens, firsts[part]);
      if (progress) active += progress.active;
    });
    tell({ position, active, tokens });
  };
  return (part, progress) => {
    const { position } = progress;
    // A part that is made in several turns begins again: what it says then is told as it comes.
    if (position < next)
      return join(
        parts.map((_, i) => (i === part ? progress : undefined)),
        position,
      );
    said[part]![position] = progress;
    if (progress.active === 0) ended[part] = true;
    while (said.some((own) => own[next]) && said.every((own, i) => own[next] ?? ended[i])) {
      join(
        said.map((own) => own[next]),
        next,
      );
      next++;
    }
  };
}
