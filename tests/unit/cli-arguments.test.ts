import { describe, expect, it } from 'vitest';
import { Arguments, optionLines, type CommandSpec } from '../../src/cli/arguments.ts';
import { labErrorCode } from '../../src/errors.ts';

const command: CommandSpec = {
  name: 'try',
  summary: '',
  options: {
    model: { value: 'DIR', help: 'a folder' },
    tokens: { value: '1,2,3', help: 'ids' },
    steps: { value: 'N', help: 'steps' },
    temperature: { value: 'T', help: 'temperature' },
    greedy: { help: 'greedy' },
  },
};
const parse = (...argv: string[]) => new Arguments(command, argv);

/** Wrong usage: the right kind of error, and a sentence that names what is wrong. */
function refuses(run: () => unknown, about: RegExp): void {
  let error: unknown = null;
  try {
    run();
  } catch (caught) {
    error = caught;
  }
  expect(labErrorCode(error)).toBe('usage');
  expect((error as Error).message).toMatch(about);
  expect((error as Error).message).toContain('permix try --help');
}

describe('command-line arguments', () => {
  it('reads every kind of option', () => {
    const args = parse('--model', 'a folder', '--tokens=3,0,12', '--steps', '40', '--temperature', '0.5', '--greedy');
    expect(args.required('model')).toBe('a folder');
    expect(args.tokens('tokens')).toEqual(Int32Array.of(3, 0, 12));
    expect(args.integer('steps', 1, 100)).toBe(40);
    expect(args.number('temperature', 0, 1)).toBe(0.5);
    expect(args.flag('greedy')).toBe(true);
  });

  it('leaves out what is not given', () => {
    const args = parse();
    expect(args.text('model')).toBeUndefined();
    expect(args.tokens('tokens')).toBeUndefined();
    expect(args.integer('steps', 1, 100)).toBeUndefined();
    expect(args.flag('greedy')).toBe(false);
    expect(args.engineRequest).toEqual({});
  });

  it('offers engine, backend and json to every command', () => {
    const args = parse('--engine', 'portable', '--backend', 'wasm', '--json');
    expect(args.engineRequest).toEqual({ engine: 'portable', backend: 'wasm' });
    expect(args.flag('json')).toBe(true);
  });

  it('refuses what it does not know, in a sentence', () => {
    refuses(() => parse('--modle', 'x'), /--modle/);
    refuses(() => parse('stray'), /stray/);
    refuses(() => parse('--model'), /--model/);
    refuses(() => parse('--greedy=yes'), /greedy/);
    refuses(() => parse('--backend', 'cuda').engineRequest, /--backend must be one of webgpu, wasm, cpu, not "cuda"/);
    refuses(() => parse().required('model'), /--model is missing/);
  });

  it.each(['-1', '1.5', '1e3', '', 'ten', '101', ' '])('refuses --steps "%s"', (text) => {
    refuses(() => parse('--steps', text).integer('steps', 1, 100), /--steps must be a whole number from 1 to 100/);
  });

  it.each(['-0.1', 'NaN', '', 'Infinity', '2'])('refuses --temperature "%s"', (text) => {
    refuses(() => parse('--temperature', text).number('temperature', 0, 1), /--temperature must be a number from 0 to 1/);
  });

  it.each(['', '1,,2', '1,x', '1,-2', '1.5', '4294967296'])('refuses --tokens "%s"', (text) => {
    refuses(() => parse('--tokens', text).tokens('tokens'), /--tokens/);
  });

  it('lists options as aligned lines', () => {
    expect(optionLines({ a: { help: 'one' }, long: { value: 'X', help: 'two' } })).toBe('  --a       one\n  --long X  two');
  });
});
