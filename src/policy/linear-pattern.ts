/**
 * A regular expression that cannot hang: the patterns of a tokenizer.json come from strangers, `(a+)+$` takes a browser's own engine years,
 * and a page has no way to interrupt it. Matching is backtracking in which every pair of an instruction and a position is tried at most once
 * (Cox, "Regular Expression Matching: the Virtual Machine Approach", and RE2's bit-state search), so it takes time in proportion to
 * pattern × text for every pattern and text, and finds what JavaScript's engine finds. Flags are those of such files, `gu`; what needs
 * back references is refused, and of a repeated group that may be empty, such as `(?:|a)+`, an empty repetition is taken where JavaScript
 * would look for a longer one. A dozen times slower than the native engine: patterns that are known to be harmless keep that one.
 */
import { compilePattern, type Instruction, type Program } from './linear-program.ts';

/** Instructions × characters of one search: beyond it a search would take a second and hundreds of megabytes. */
export const maxStates = 2 ** 24;

interface Match {
  /** In code points. */
  readonly start: number;
  readonly end: number;
}

/** Stands in for a RegExp with the flags `gu` in `match`, `matchAll`, `split` and `replaceAll`. */
export class LinearPattern {
  readonly flags = 'gu';
  readonly #program: Program;

  /** @param flags more than `gu`: of `i`, `m` and `s`  @throws SyntaxError for what is no pattern, or needs more than this engine has */
  constructor(source: string, flags = '') {
    this.#program = compilePattern(source, flags);
  }

  /** Whether it matches anywhere; null for a text of which that is not found out in so many states. */
  test(text: string, most = maxStates): boolean | null {
    const units = Array.from(text);
    if (this.#program.size * (units.length + 1) > most) return null;
    const run = new Run(this.#program, units);
    for (let at = 0; at <= units.length; at++) if (run.holds(at)) return true;
    return false;
  }

  [Symbol.match](text: string): string[] | null {
    const found = [...this[Symbol.matchAll](text)].map(([match]) => match!);
    return found.length > 0 ? found : null;
  }

  *[Symbol.matchAll](text: string): IterableIterator<RegExpExecArray> {
    const units = Array.from(text);
    let [offset, from] = [0, 0];
    for (const { start, end } of search(this.#program, units)) {
      for (; from < start; from++) offset += units[from]!.length;
      yield Object.assign([units.slice(start, end).join('')], { index: offset, input: text }) as unknown as RegExpExecArray;
    }
  }

  /** The text between the matches, as `split` of a pattern without groups gives it. */
  [Symbol.split](text: string): string[] {
    const pieces: string[] = [];
    let from = 0;
    for (const match of this[Symbol.matchAll](text)) {
      const end = match.index + match[0].length;
      // An empty match splits between characters, not at the ends and not behind a match.
      if (match[0] === '' && (match.index === from || match.index >= text.length)) continue;
      pieces.push(text.slice(from, match.index));
      from = end;
    }
    return text === '' && pieces.length === 0 && [...this[Symbol.matchAll]('')].length > 0 ? [] : [...pieces, text.slice(from)];
  }

  /** @param content put there as it is, as the reference library does: `$` means nothing */
  [Symbol.replace](text: string, content: string): string {
    let out = '';
    let from = 0;
    for (const match of this[Symbol.matchAll](text)) {
      out += text.slice(from, match.index) + content;
      from = match.index + match[0].length;
    }
    return out + text.slice(from);
  }
}

/** Every match from left to right, as a global search finds them. */
function* search(program: Program, units: readonly string[]): Generator<Match> {
  const run = new Run(program, units);
  let from = 0;
  while (from <= units.length) {
    const end = run.from(from);
    if (end === null) from++;
    else {
      yield { start: from, end };
      from = end > from ? end : from + 1;
    }
  }
}

const [unknown, failed, succeeded] = [0, 1, 2];

/** One program over one text. What failed once fails from every other start, so nothing is forgotten between starts. */
class Run {
  readonly #code: readonly Instruction[];
  readonly #backward: boolean;
  readonly #width: number;
  /** [positions][instructions] */
  readonly #states: Uint8Array;
  /** The state that led to a state, so that the way to a success is known. */
  readonly #parents: Int32Array;
  readonly #looks = new Map<Instruction, Run>();

  constructor(
    program: Program,
    readonly units: readonly string[],
  ) {
    this.#code = program.code;
    this.#backward = program.backward;
    this.#width = program.code.length;
    const states = this.#width * (units.length + 1);
    if (states > maxStates) throw new RangeError(`a text of ${units.length} characters is too long for this pattern`);
    this.#states = new Uint8Array(states);
    this.#parents = new Int32Array(states);
  }

  /** Where the preferred match that begins here ends; null where none does. */
  from(position: number): number | null {
    const stack = [position * this.#width];
    const origins = [-1];
    while (stack.length > 0) {
      const state = stack.pop()!;
      const origin = origins.pop()!;
      if (this.#states[state] !== unknown) continue;
      this.#states[state] = failed;
      this.#parents[state] = origin;
      const at = Math.floor(state / this.#width);
      const instruction = this.#code[state % this.#width]!;
      if (instruction.kind === 'match') {
        this.#forget(state, at);
        return at;
      }
      for (const next of this.#after(instruction, state, at)) {
        stack.push(next);
        origins.push(state);
      }
    }
    return null;
  }

  /** Whether anything matches from here: what a look-ahead or look-behind asks, of which every answer is kept. */
  holds(position: number): boolean {
    const start = position * this.#width;
    const stack = [start];
    const origins = [-1];
    while (stack.length > 0) {
      const state = stack.pop()!;
      const origin = origins.pop()!;
      if (this.#states[state] === failed) continue;
      const known = this.#states[state] === succeeded;
      if (!known) {
        this.#states[state] = failed;
        this.#parents[state] = origin;
      }
      const at = Math.floor(state / this.#width);
      const instruction = this.#code[state % this.#width]!;
      if (known || instruction.kind === 'match') {
        if (!known) this.#states[state] = succeeded;
        for (let way = known ? origin : this.#parents[state]!; way >= 0; way = this.#parents[way]!) this.#states[way] = succeeded;
        return true;
      }
      for (const next of this.#after(instruction, state, at)) {
        stack.push(next);
        origins.push(state);
      }
    }
    return false;
  }

  /** States that come next, the preferred one last. */
  #after(instruction: Instruction, state: number, at: number): readonly number[] {
    switch (instruction.kind) {
      case 'set': {
        const unit = this.units[this.#backward ? at - 1 : at];
        return unit !== undefined && instruction.has(unit) ? [state + (this.#backward ? -this.#width : this.#width) + 1] : [];
      }
      case 'split':
        return [at * this.#width + instruction.second, at * this.#width + instruction.first];
      case 'jump':
        return [at * this.#width + instruction.to];
      case 'edge':
        return instruction.holds(this.units, at) ? [state + 1] : [];
      case 'look': {
        const look = this.#looks.get(instruction) ?? new Run(instruction.program, this.units);
        this.#looks.set(instruction, look);
        return look.holds(at) !== instruction.negated ? [state + 1] : [];
      }
      case 'match':
        return [];
    }
  }

  /** States on the way to a match did not fail. Those before its end are never asked again, so that those at its end suffice. */
  #forget(match: number, end: number): void {
    for (let way = match; way >= 0 && Math.floor(way / this.#width) === end; way = this.#parents[way]!) this.#states[way] = unknown;
  }
}
