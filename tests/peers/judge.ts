/**
 * A real server with a real model as the judge: `transformers serve`, which speaks OpenAI's protocol, with SmolLM2. A model of this size is no
 * judge, and what it says means nothing; that it is asked, understood and read alike, streamed and whole, is what counts.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../../scripts/install.mjs';
import { folderOf } from './exports.ts';
import type { Row } from './main.ts';
import { bundled } from './policies.ts';
import type { Python } from './python.ts';

/** Of one answer of the judge. */
const judgeTokens = 24;

/** @param path of SmolLM2, a folder or a GGUF file */
export async function* judgeRows(peer: Python, path: string): AsyncGenerator<Row> {
  const scratch = mkdtempSync(join(tmpdir(), 'permix-peers-'));
  let server: ChildProcess | null = null;
  try {
    const folder = await folderOf(path, scratch);
    const port = await freePort();
    const served = ['serve', folder, '--host', '127.0.0.1', '--port', String(port), '--device', 'cpu'];
    server = spawn(join(dirname(peer.path), 'transformers'), served, { stdio: 'ignore', env: { ...process.env, HF_HUB_OFFLINE: '1' } });
    await answering(server, `http://127.0.0.1:${port}/health`);
    const roles = join(scratch, 'roles');
    mkdirSync(roles);
    for (const name of ['pirate', 'chef']) {
      const role = { instruction: [{ pos: `You are a ${name}.` }], questions: ['Who are you?', 'What is 2 + 3?'], eval_prompt: '' };
      writeFileSync(join(roles, `${name}.json`), JSON.stringify(role));
    }
    const judged = async (...more: string[]) => {
      const file = join(scratch, 'judged.json');
      const judge = ['--judge', `http://127.0.0.1:${port}/v1`, '--judge-model', folder, '--judge-tokens', String(judgeTokens)];
      const asked = [
        'judge',
        '--model',
        bundled,
        '--benchmark',
        roles,
        '--rubric',
        'role',
        '--questions',
        '1',
        '--max-new',
        '16',
        '--backend',
        'wasm',
      ];
      const code = await run(process.execPath, ['scripts/permix.mjs', ...asked, ...judge, '--json', file, ...more], {
        stdio: ['ignore', 'ignore', 2],
      });
      if (code !== 0) throw new Error('permix judge failed.');
      return verdictsIn(file);
    };
    const whole = await judged();
    const streamed = await judged('--stream');
    const silent = (said: readonly string[]) => said.filter((words) => words === '').length;
    const of = `${whole.length} answers, ${judgeTokens} tokens each`;
    yield { what: 'answers that transformers serve says nothing on', of, difference: silent(whole), tolerance: 0 };
    yield { what: 'the same, streamed', of, difference: silent(streamed), tolerance: 0 };
    const differing = whole.filter((words, i) => words !== streamed[i]).length;
    yield { what: 'its words, streamed and whole, that differ', of, difference: differing, tolerance: 0 };
  } finally {
    server?.kill();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What the judge said last on every answer; all of them have an outcome. */
function verdictsIn(file: string): string[] {
  const { answers } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly answers: readonly { readonly policies: readonly { readonly verdict: { readonly said: string } }[] }[];
  };
  return answers.flatMap(({ policies }) => policies.map(({ verdict }) => verdict.said));
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done));
  const { port } = probe.address() as AddressInfo;
  await new Promise((done) => probe.close(done));
  return port;
}

async function answering(server: ChildProcess, url: string): Promise<void> {
  for (let second = 0; second < 180; second++) {
    if (server.exitCode !== null) throw new Error(`transformers serve ended with ${server.exitCode} before it answered.`);
    if (
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    await new Promise((done) => setTimeout(done, 1000));
  }
  throw new Error('transformers serve did not answer within three minutes.');
}
