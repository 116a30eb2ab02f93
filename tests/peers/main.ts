/**
 * `npm run peers`: the same policies, texts and batches here and in transformers, peft, tokenizers and TRL. Here are the options, the order
 * of the rows and the table; what is compared is in the files beside. Figures that were kept are in docs/peers.md.
 */
import { writeFileSync } from 'node:fs';
import { arch, cpus, platform } from 'node:os';
import { parseArgs } from 'node:util';
import { allowRelaxedSimd } from '../../src/cli/relaxed-simd.ts';
import { batchRows } from './batch.ts';
import { curveRows } from './curve.ts';
import { engineRows } from './engines.ts';
import { exportRows, realRows } from './exports.ts';
import { gemmaRows } from './gemma.ts';
import { judgeRows } from './judge.ts';
import { loraRows } from './lora.ts';
import { bundled, folderRows } from './policies.ts';
import { projectRowsOf } from './project.ts';
import { Python } from './python.ts';
import { speedRows } from './speed.ts';
import { verdictRows } from './verdicts.ts';

const kinds = [
  'policies',
  'gemma',
  'exports',
  'real',
  'lora',
  'engines',
  'batch',
  'project',
  'verifier',
  'judge',
  'curve',
  'speed',
] as const;

const help = `Usage: npm run peers -- [OPTIONS]

  --only KINDS            of ${kinds.join(',')} (all)
  --smollm2 DIR|FILE.gguf a SmolLM2-135M-Instruct, for the rows of a real policy
  --seeds N               training runs on each side (3)
  --json FILE             also writes rows and versions to a file

PYTHON names the Python (3.10 or newer) to begin from. Everything it needs is installed under .permix/.
`;

export interface Row {
  readonly what: string;
  /** Of what, and how many. */
  readonly of: string;
  /** The largest difference, or how many differ. */
  readonly difference: number;
  /** What it may be. */
  readonly tolerance: number;
  readonly said?: string;
}

/** Rows that are not there, and why. */
export interface Skipped {
  readonly skipped: string;
}

/** @param python makes the environment  @returns the exit code: 0 all agree, 1 something differs, 2 wrong usage */
export async function peers(argv: readonly string[], python: () => Promise<string>): Promise<number> {
  allowRelaxedSimd();
  let options;
  try {
    const text = { type: 'string' } as const;
    const all = {
      only: text,
      smollm2: text,
      seeds: { ...text, default: '3' },
      json: text,
      help: { type: 'boolean', default: false },
    } as const;
    options = parseArgs({ args: [...argv], options: all }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return 2;
  }
  const [only, seeds] = [options.only?.split(',') ?? [...kinds], Number(options.seeds)];
  const known = only.every((kind) => (kinds as readonly string[]).includes(kind));
  if (options.help || !known || !Number.isInteger(seeds) || seeds < 1) {
    console.log(help);
    return options.help ? 0 : 2;
  }
  const peer = new Python(await python());
  const versions = await peer.ask<Readonly<Record<string, string>>>('versions');
  const date = new Date().toISOString().slice(0, 10);
  console.log(`${date} · Node ${process.versions.node}, ${platform()} ${arch()}, ${cpus()[0]?.model ?? 'unknown'}`);
  console.log(
    `${Object.entries(versions)
      .map((pair) => pair.join(' '))
      .join(' · ')}\n`,
  );
  console.log('| what | of | largest difference | at most | |\n| --- | --- | --- | --- | --- |');
  const rows: Row[] = [];
  const skipped: string[] = [];
  const { smollm2 } = options;
  const ofSmolLm2 = (kind: string, work: (path: string) => AsyncGenerator<Row | Skipped>) =>
    smollm2 === undefined ? [{ skipped: `${kind}, the rows of SmolLM2; --smollm2 DIR|FILE.gguf names one.` }] : work(smollm2);
  const work: Readonly<Record<(typeof kinds)[number], () => AsyncIterable<Row | Skipped> | Iterable<Skipped>>> = {
    policies: () => folderRows(peer, 'permix-tiny', bundled),
    gemma: () => gemmaRows(peer),
    exports: () => exportRows(peer),
    real: () => ofSmolLm2('real', (path) => realRows(peer, path)),
    lora: () => ofSmolLm2('lora', (path) => loraRows(peer, path)),
    engines: () => ofSmolLm2('engines', engineRows),
    batch: () => batchRows(peer),
    project: () => projectRowsOf(peer),
    verifier: () => verdictRows(peer),
    judge: () => ofSmolLm2('judge', (path) => judgeRows(peer, path)),
    curve: () => curveRows(peer, seeds),
    speed: () => speedRows(peer, smollm2),
  };
  for (const kind of kinds.filter((name) => only.includes(name))) {
    for await (const row of work[kind]()) {
      if ('skipped' in row) {
        skipped.push(row.skipped);
        continue;
      }
      rows.push(row);
      console.log(line(row));
    }
  }
  for (const what of skipped) console.log(`\nSkipped: ${what}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ date, node: process.versions.node, versions, rows }, null, 2)}\n`);
  const differing = rows.filter((row) => !agrees(row));
  if (differing.length > 0) console.error(`\n${differing.length} of ${rows.length} rows differ by more than they may.`);
  return differing.length > 0 ? 1 : 0;
}

// NaN agrees with nothing.
const agrees = ({ difference, tolerance }: Row) => difference <= tolerance;

function line(row: Row): string {
  const number = (value: number) => (Number.isInteger(value) ? String(value) : value.toPrecision(2));
  return `| ${row.what} | ${row.of} | ${row.said ?? number(row.difference)} | ${number(row.tolerance)} | ${agrees(row) ? '' : '**differs**'} |`;
}
