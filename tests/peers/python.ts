/** Asks the Python of `npm run peers` (scripts/peers/peer.py): a job as JSON in, its answer as JSON out, a process for each. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export class Python {
  constructor(readonly path: string) {}

  /** @throws Error with the end of what it said where it fails */
  async ask<T>(kind: string, job: Readonly<Record<string, unknown>> = {}): Promise<T> {
    const scratch = mkdtempSync(join(tmpdir(), 'permix-peer-'));
    const [asked, answered] = ['job.json', 'answer.json'].map((name) => join(scratch, name)) as [string, string];
    try {
      writeFileSync(asked, JSON.stringify({ kind, ...job }));
      const said: string[] = [];
      const code = await new Promise<number>((done, fail) => {
        const child = spawn(this.path, [resolve(import.meta.dirname, '../../scripts/peers/peer.py'), asked, answered], {
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => said.push(data.toString()));
        child.on('error', fail);
        child.on('close', (status) => done(status ?? 1));
      });
      if (code !== 0) throw new Error(`Python failed at "${kind}":\n${said.join('').slice(-3000)}`);
      return JSON.parse(readFileSync(answered, 'utf8')) as T;
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
}
