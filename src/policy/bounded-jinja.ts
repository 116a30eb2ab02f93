/**
 * Templates come from strangers too: `range(10**9)`, loops in loops, a text doubled forty times or a macro that calls itself would take the
 * page or the process with them, and nothing can interrupt them there. So every step of the interpreter is counted, and every value it makes
 * is measured, before the next one is taken. The numbers are far above what a chat template needs, and the same everywhere: no clock.
 */
import { Interpreter, type Environment, parse, tokenize } from '@huggingface/jinja';

/** The longest published template has a third of it. */
export const maxTemplateCharacters = 100_000;
/** The library's lexer takes the square of it. */
const maxBlanks = 2000;
/** Steps of one rendering; a template with tools takes a few thousand. A long value counts for many. */
export const maxSteps = 300_000;
const charactersAStep = 50;
/** Going through a list costs as much for every place, even where nothing is done there. */
const stepsAPlace = 20;
/** Of one text, or of all that a list holds. */
export const maxCharacters = 200_000;
/** Beyond it a template calls itself. */
const maxNesting = 400;

type Program = ReturnType<typeof parse>;
type Value = ReturnType<Interpreter['evaluate']>;
type Statement = Parameters<Interpreter['evaluate']>[0];

/** @throws Error saying what is wrong with it as a template */
export function parseTemplate(source: string): Program {
  if (source.length > maxTemplateCharacters) throw new Error(`it has ${source.length} characters, more than ${maxTemplateCharacters}`);
  if (longestBlanks(source) > maxBlanks) throw new Error(`it has more than ${maxBlanks} blanks in a row`);
  return parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
}

/** Runs one template once. @throws Error where it takes more than its share, or fails */
export class BoundedInterpreter extends Interpreter {
  #steps = 0;
  #nesting = 0;
  /** Lists and objects do not change; what they hold is measured once. */
  readonly #sizes = new WeakMap<object, number>();

  override evaluate(statement: Statement, environment: Environment): Value {
    if (this.#nesting >= maxNesting) throw new Error(`it nests more than ${maxNesting} deep, or calls itself without end`);
    this.#spend(1);
    this.#nesting++;
    try {
      const value = super.evaluate(statement, environment);
      const size = this.#sizeOf(value);
      if (size > maxCharacters) throw new Error(`it makes a value of more than ${maxCharacters} characters`);
      this.#spend(size / charactersAStep + stepsAPlace * placesOf(value));
      return value;
    } finally {
      this.#nesting--;
    }
  }

  #spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > maxSteps) throw new Error(`it takes more than ${maxSteps} steps`);
  }

  /** Characters of a text; of a list and an object those of all they hold, and fifty for every place. */
  #sizeOf({ type, value }: Value): number {
    if (typeof value === 'string') return value.length;
    if (type === 'NamespaceValue') return this.#sumOf((value as Map<string, Value>).values());
    if (typeof value !== 'object' || value === null) return 1;
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    const size = this.#sumOf(value instanceof Map ? (value as Map<string, Value>).values() : (value as readonly Value[]));
    this.#sizes.set(value, size);
    return size;
  }

  #sumOf(values: Iterable<Value>): number {
    let sum = 0;
    for (const held of values) {
      // The one kind of value that changes: inside of another it could hold itself, or grow unmeasured.
      if (held.type === 'NamespaceValue') throw new Error('it puts a namespace into a list or an object');
      sum += charactersAStep + this.#sizeOf(held);
      if (sum > maxCharacters) break;
    }
    return sum;
  }
}

function placesOf({ value }: Value): number {
  if (Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 0;
}

function longestBlanks(text: string): number {
  let [longest, run] = [0, 0];
  for (const character of text) {
    run = character.trim() === '' ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}
