#!/usr/bin/env node
/**
 * `permix COMMAND`: the same engine as the page's, headless. Exit codes: 0 done, 1 failed with a sentence on standard
 * error, 2 wrong usage, 130 stopped by the reader.
 */
import { askedBackend } from '../engine/choose.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { Arguments, commonOptions, optionLines } from './arguments.ts';
import { commands } from './commands.ts';
import { Output } from './output.ts';
import { notice } from './progress.ts';
import { allowRelaxedSimd } from './relaxed-simd.ts';
import { provideWebGpu } from './webgpu.ts';

function help(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const list = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n');
  return `Usage: permix COMMAND [OPTIONS]\n\n${list}\n\nEvery command takes\n${optionLines(commonOptions)}\n`;
}

async function main(argv: readonly string[]): Promise<number> {
  allowRelaxedSimd();
  const [name, ...rest] = argv;
  if (name === 'help' && rest[0] !== undefined && !rest[0].startsWith('-')) return main([rest[0], '--help']);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? process.stderr : process.stdout).write(help());
    return name === undefined ? 2 : 0;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (!command) throw new LabError('usage', `There is no command "${name}".`, `There are ${commands.map((c) => c.name).join(', ')}.`);
  const args = new Arguments(command, rest[0] === '-h' ? ['--help'] : rest);
  if (args.flag('help')) {
    const all = { ...command.options, ...commonOptions, ...command.options };
    process.stdout.write(
      `permix ${command.name}${command.operand === undefined ? '' : ` ${command.operand}`} ${command.summary}\n\n${optionLines(all)}\n`,
    );
    return 0;
  }
  // Before any module of the engine is loaded: they look for WebGPU's globals. Loading Dawn is spared where it is not asked for.
  const backend = askedBackend(args.engineRequest);
  if (backend === undefined || backend === 'webgpu') {
    const missing = await provideWebGpu();
    if (missing && backend === 'webgpu') throw new LabError('webgpu', missing, 'Or use --engine wasm.');
  }
  return (await command.run(args, new Output(args.flag('json')))) ?? 0;
}

/** A sentence for the reader, and the exit code. */
function report(error: unknown): number {
  const code = labErrorCode(error);
  if (code !== null) {
    notice((error as Error).message);
    return code === 'usage' ? 2 : code === 'cancelled' ? 130 : 1;
  }
  const { code: errno, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (errno === 'ENOSPC')
    notice(`The disk is full: ${(error as Error).message}. What was saved before is intact; make room and use --resume.`);
  else if (errno === 'ENOENT' && path !== undefined) notice(`There is no ${path}. Check the path.`);
  else if (typeof errno === 'string' && errno.startsWith('E')) notice(`${(error as Error).message}. Check the path and its permissions.`);
  else
    notice(
      `Something went wrong inside permix, which is a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  return 1;
}

// Standard output is data: what a library prints for people goes to standard error.
console.log = console.info = console.debug = console.error;
// A reader such as `head` that has seen enough is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const exitCode = await main(process.argv.slice(2)).catch(report);
// Dawn keeps a process alive; what is written goes out first.
process.stdout.write('', () => process.exit(exitCode));
