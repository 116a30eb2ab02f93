/** Files that a command is to leave behind are tried before its work, and the sentence names the option. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { tryFile, tryFolder, tryReportFiles, writeFiles } from '../../src/cli/output-files.ts';

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'permix-outputs-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const evaluation = commands.find(({ name }) => name === 'eval')!;
const tried = (...argv: string[]) => tryReportFiles(new Arguments(evaluation, argv), ['data', 'personas']);

describe('files', () => {
  it('that can be written leave nothing behind, and what is in them stays', async () => {
    writeFileSync(at('old.csv'), 'mine');
    await tried('--json', at('new.json'), '--csv', at('old.csv'), '--out', at('kept'));
    expect(readFileSync(at('old.csv'), 'utf8')).toBe('mine');
    expect([existsSync(at('new.json')), readdirSync(at('kept'))]).toEqual([false, []]);
    await tried('--csv', at('a/b/c.csv'), '--json');
    expect(readdirSync(at('a/b'))).toEqual([]);
  });

  it('that cannot be written are named by their option', async () => {
    mkdirSync(at('folder'));
    writeFileSync(at('file'), '');
    await expect(tried('--csv', at('folder'))).rejects.toThrow(/--csv .*folder cannot be written \(it is a folder\)/);
    await expect(tried('--json', at('file/x.json'))).rejects.toThrow(/--json .*x\.json cannot be written/);
    await expect(tried('--out', at('file'))).rejects.toThrow(/--out .*file cannot be written/);
    mkdirSync(at('kept/report.csv'), { recursive: true });
    await expect(tried('--out', at('kept'))).rejects.toThrow(/--out .*report\.csv cannot be written/);
    await expect(tryFile('out', '/proc/nothing/here')).rejects.toThrow(/--out \/proc\/nothing\/here cannot be written/);
    await expect(tryFolder('out', '/proc/nothing')).rejects.toThrow(/Choose another --out/);
  });

  it('that would be written over each other, or over what is read, are refused', async () => {
    await expect(tried('--json', at('x'), '--csv', at('./x'))).rejects.toThrow(/--csv and --json are the same file/);
    await expect(tried('--data', at('q.jsonl'), '--csv', at('q.jsonl'))).rejects.toThrow(/--csv and --data are the same file/);
    await expect(tried('--out', at('d'), '--json', at('d/cells.jsonl'))).rejects.toThrow(/cells\.jsonl of --out are the same file/);
  });
});

it('one that fails at the end takes no other with it', async () => {
  const files = [
    [at('none/x.json'), '{}'],
    [at('y.csv'), 'a'],
  ] as const;
  await expect(writeFiles(files)).rejects.toThrow(/x\.json cannot be written .*printed above/);
  expect(readFileSync(at('y.csv'), 'utf8')).toBe('a');
});
