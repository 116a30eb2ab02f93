/**
 * Command-line options on Node's own parser: what is given, checked, or a sentence about what is wrong (exit code 2).
 * It knows no command; each command lists its options beside its code.
 */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { backendNames, engineNames, type EngineRequest } from '../engine/engine.ts';
import { mostShards } from '../engine/wasm/shards.ts';
import { LabError } from '../errors.ts';
import { readLayers } from '../policy/layer-list.ts';

export interface OptionSpec {
  /** How the value is written in the help; absent: a switch without a value; in brackets: the value may be left out. */
  readonly value?: string;
  readonly help: string;
  /** It may be given more than once. */
  readonly many?: true;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** What stands beside the options, as the help writes it, with … where there may be many; absent: nothing does. */
  readonly operand?: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
}

/** Understood by every command. */
export const commonOptions: Readonly<Record<string, OptionSpec>> = {
  engine: { value: engineNames.join('|'), help: 'how the policy is computed (chosen by default)' },
  backend: { value: backendNames.join('|'), help: 'where it is computed (chosen by default)' },
  'gpu-memory': { value: 'GIB', help: 'what the fused engine may take on the GPU (4)' },
  threads: {
    value: 'N',
    help: 'that the wasm engine computes with, at most eight; the result does not depend on them (one for each core)',
  },
  json: { help: 'JSON, and nothing else, on standard output' },
  help: { help: 'this text' },
};

export class Arguments {
  readonly #command: string;
  readonly #operands: readonly string[];
  readonly #values: Readonly<Record<string, string | boolean | undefined | readonly (string | boolean)[]>>;

  /** @throws LabError 'usage' for options the command does not have, or that lack their value */
  constructor(command: CommandSpec, argv: readonly string[]) {
    this.#command = command.name;
    const options: NonNullable<ParseArgsConfig['options']> = {};
    for (const [name, { value, many }] of Object.entries({ ...commonOptions, ...command.options })) {
      options[name] = { type: value === undefined ? 'boolean' : 'string', multiple: many === true };
    }
    try {
      const parsed = parseArgs({ args: joinValues(argv, command, options), options, allowPositionals: command.operand !== undefined });
      this.#values = parsed.values;
      this.#operands = parsed.positionals;
    } catch (error) {
      throw this.#wrong(firstSentence(error));
    }
    if (this.#operands.length > 1 && !command.operand?.endsWith('…'))
      throw this.#wrong(`One ${command.operand} at a time, not ${this.#operands.join(' and ')}.`);
  }

  /** A switch that is given, or an option whose value is left out. */
  flag(name: string): boolean {
    return this.#values[name] === true || this.#values[name] === noValue;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' && value !== noValue ? value : undefined;
  }

  /** Of an option that may be given more than once, in their order. @param blank whether they may be empty, or of blanks alone */
  texts(name: string, { blank = false } = {}): readonly string[] {
    const values = this.#values[name] ?? [];
    if (!Array.isArray(values)) throw new Error(`--${name} is given once`);
    if (values.some((value) => typeof value !== 'string' || value === noValue || (!blank && value.trim() === '')))
      throw this.#wrong(`--${name} is empty.`);
    return values as readonly string[];
  }

  /** The one beside the options. @param name as the help writes it */
  operand(name: string): string {
    const [value] = this.#operands;
    if (value === undefined || value === '') throw this.#wrong(`${name} is missing.`);
    return value;
  }

  /** All of them, at least one. @param name as the help writes it */
  operands(name: string): readonly string[] {
    if (this.#operands.length === 0 || this.#operands.includes('')) throw this.#wrong(`${name.replace('…', '')} is missing.`);
    return this.#operands;
  }

  required(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === '') throw this.#wrong(`--${name} is missing.`);
    return value;
  }

  /** A whole number in [low, high]. */
  integer(name: string, low: number, high: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text.trim()) || value < low || value > high) {
      throw this.#wrong(`--${name} must be a whole number from ${low} to ${high}, not "${text}".`);
    }
    return value;
  }

  /** A number in [low, high]. */
  number(name: string, low: number, high: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text.trim() === '' || !(value >= low && value <= high)) {
      throw this.#wrong(`--${name} must be a number from ${low} to ${high}, not "${text}".`);
    }
    return value;
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    if (!found) throw this.#wrong(`--${name} must be one of ${choices.join(', ')}, not "${text}".`);
    return found;
  }

  /** Comma-separated names, at least one. */
  list(name: string): readonly string[] | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const items = text.split(',').map((item) => item.trim());
    if (items.some((item) => item === '')) throw this.#wrong(`--${name} must be a comma-separated list, not "${text}".`);
    return items;
  }

  /** Some of the choices, separated by commas, in an order of the reader's; each once. */
  choices<T extends string>(name: string, choices: readonly T[]): readonly T[] | undefined {
    const items = this.list(name);
    const found = items?.map((item) => choices.find((choice) => choice === item));
    const bad = items?.find((item, i) => found![i] === undefined || items.indexOf(item) < i);
    if (bad !== undefined) throw this.#wrong(`--${name} lists some of ${choices.join(', ')}, each once; "${bad}" is wrong.`);
    return found as readonly T[] | undefined;
  }

  /** Comma-separated token ids, at least one. */
  tokens(name: string): Int32Array | undefined {
    const items = this.list(name);
    const bad = items?.find((item) => !/^\d+$/.test(item) || Number(item) > 0x7fffffff);
    if (bad !== undefined) throw this.#wrong(`--${name} must be token ids such as 1,2,3; "${bad}" is none.`);
    return items && Int32Array.from(items, Number);
  }

  /** Layers, `0-3,7`: each once, rising. */
  layers(name: string): readonly number[] | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const layers = readLayers(text);
    if (!layers) throw this.#wrong(`--${name} must be numbers and ranges such as 0-3,7, not "${text}".`);
    return layers;
  }

  get engineRequest(): EngineRequest {
    const engine = this.choice('engine', engineNames);
    const backend = this.choice('backend', backendNames);
    const gibibytes = this.number('gpu-memory', 0.1, 1024);
    const threads = this.integer('threads', 1, mostShards);
    return {
      ...(engine ? { engine } : {}),
      ...(backend ? { backend } : {}),
      ...(gibibytes === undefined ? {} : { gpuMemory: gibibytes * 2 ** 30 }),
      ...(threads === undefined ? {} : { threads }),
    };
  }

  /** For combinations that a command refuses. */
  wrong(what: string): LabError {
    return this.#wrong(what);
  }

  #wrong(what: string): LabError {
    return new LabError('usage', what, `See permix ${this.#command} --help.`);
  }
}

/** Stands for a value that was left out; no shell can pass it. */
const noValue = '\0';

/**
 * Node's parser takes the -1 of `--seed -1` for an option, and the sentence it gives is no help; and it knows no option
 * whose value may be left out.
 */
function joinValues(argv: readonly string[], command: CommandSpec, options: NonNullable<ParseArgsConfig['options']>): string[] {
  const out: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const [arg, next] = [argv[i]!, argv[i + 1]];
    const name = arg.startsWith('--') ? arg.slice(2) : '';
    const takesValue = options[name]?.type === 'string';
    const mayLack = command.options[name]?.value?.startsWith('[') === true;
    if (mayLack && (next === undefined || next.startsWith('-'))) out.push(`${arg}=${noValue}`);
    else if (takesValue && next !== undefined && /^-[\d.]/.test(next)) out.push(`${arg}=${argv[++i]!}`);
    else out.push(arg);
  }
  return out;
}

function firstSentence(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const sentence = message.split(/\.\s/)[0]!.replaceAll('\n', ' ');
  return sentence.endsWith('.') ? sentence : `${sentence}.`;
}

/** The options as aligned lines. */
export function optionLines(options: Readonly<Record<string, OptionSpec>>): string {
  const entries = Object.entries(options).map(([name, { value, help }]) => [`--${name}${value ? ` ${value}` : ''}`, help] as const);
  const width = Math.max(...entries.map(([left]) => left.length));
  return entries.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`).join('\n');
}

/** A word of a command that the reader can copy into a shell. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
