/**
 * A reward's regular expression as python/linear_pattern.py runs it: the program of `policy/linear-program.ts`, each set of characters written
 * out, so that what a class means is not asked of another language.
 */
import { compilePattern, type Instruction, type Program } from '../../policy/linear-program.ts';

/** Where a set begins, where it ends, where it begins again. */
type Ranges = readonly number[];

type WrittenInstruction =
  | readonly ['set', Ranges]
  | readonly ['split', number, number]
  | readonly ['jump', number]
  | readonly ['edge', string, Ranges]
  | readonly ['look', WrittenProgram, boolean]
  | readonly ['match'];

interface WrittenProgram {
  readonly size: number;
  readonly backward: boolean;
  readonly code: readonly WrittenInstruction[];
}

/** @throws SyntaxError for a pattern that the run refuses too */
export function writtenPattern(pattern: string, flags = ''): WrittenProgram {
  const known = new Map<string, Ranges>();
  const ranges = (source: string, under: string): Ranges => {
    const key = `${under}:${source}`;
    const found = known.get(key) ?? rangesOf(source, under);
    known.set(key, found);
    return found;
  };
  const written = ({ size, backward, code }: Program): WrittenProgram => ({ size, backward, code: code.map(instruction) });
  const instruction = (one: Instruction): WrittenInstruction => {
    switch (one.kind) {
      case 'set':
        return ['set', ranges(one.source, one.flags)];
      case 'split':
        return ['split', one.first, one.second];
      case 'jump':
        return ['jump', one.to];
      case 'edge':
        return ['edge', one.where, one.where.endsWith('word-edge') ? ranges('\\w', flags.includes('i') ? 'ui' : 'u') : []];
      case 'look':
        return ['look', written(one.program), one.negated];
      case 'match':
        return ['match'];
    }
  };
  return written(compilePattern(pattern, flags));
}

/** By asking of every character there is. A single one, the most frequent, need not be asked. */
function rangesOf(source: string, flags: string): Ranges {
  const first = source.codePointAt(0)!;
  if (flags === 'u' && source === String.fromCodePoint(first) && source !== '.') return [first, first + 1];
  const native = new RegExp(`^(?:${source})$`, flags);
  const ranges: number[] = [];
  let inside = false;
  for (let code = 0; code < 0x110000; code++) {
    if (native.test(String.fromCodePoint(code)) === inside) continue;
    ranges.push(code);
    inside = !inside;
  }
  return ranges;
}
