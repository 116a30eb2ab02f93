/** What is given in place of a file, and files and answers that are too long: a sentence, and no waiting. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readJson, readSealed, readWhole } from '../../src/cli/files.ts';
import { folderSource } from '../../src/cli/folder.ts';
import { StoredRun } from '../../src/cli/stored-run.ts';
import { fetchSource, maxTextBytes } from '../../src/policy/source.ts';
import { loadPolicy } from '../../src/policy/policy.ts';

let scratch: string;
const at = (...names: string[]) => join(scratch, ...names);
beforeAll(() => (scratch = mkdtempSync(join(tmpdir(), 'permix-given-'))));
afterAll(() => rmSync(scratch, { recursive: true }));

describe.skipIf(process.platform === 'win32')('in place of a file', () => {
  it('a folder, a pipe and a device are named', async () => {
    mkdirSync(at('folder'));
    execFileSync('mkfifo', [at('pipe')]);
    for (const read of [readWhole, readJson, readSealed]) {
      await expect(read(at('folder'))).rejects.toThrow(/folder is a folder, not a file\. Give a file/);
      await expect(read(at('pipe'))).rejects.toThrow(/pipe is a pipe, not a file\. Write what comes out of it into a file/);
      await expect(read('/dev/zero')).rejects.toThrow(/zero is a device, not a file/);
    }
  });

  it.each(['config.json', 'tokenizer.json', 'model.safetensors'])('a pipe as %s of a policy is named', async (name) => {
    mkdirSync(at(`policy-${name}`));
    const own = at(`policy-${name}`, name);
    execFileSync('mkfifo', [own]);
    if (name !== 'config.json') execFileSync('cp', ['public/models/permix-tiny/config.json', at(`policy-${name}`)]);
    await expect(loadPolicy(await folderSource(at(`policy-${name}`)))).rejects.toThrow(`${own} is a pipe, not a file.`);
  });

  it('a folder as run.json is named', async () => {
    mkdirSync(at('run', 'run.json'), { recursive: true });
    await expect(new StoredRun(at('run')).readRun('')).rejects.toThrow(/run\.json is a folder, not a file/);
  });
});

describe('too long', () => {
  it('is a file of text above the limit', async () => {
    mkdirSync(at('long'));
    writeFileSync(at('long', 'config.json'), '');
    truncateSync(at('long', 'config.json'), maxTextBytes + 1);
    const source = await folderSource(at('long'));
    await expect(source.read('config.json')).rejects.toThrow(/config\.json has more than 200 MB/);
  });

  it('is an answer that never ends, or says that it is', async () => {
    const server = createServer((request, response) => {
      if (request.url!.startsWith('/said/')) response.setHeader('content-length', 300_000_000);
      const chunk = Buffer.alloc(2 ** 22, 32);
      const more = () => response.write(chunk, (error) => (error ? undefined : more()));
      more();
    }).listen(0);
    const { port } = server.address() as AddressInfo;
    for (const way of ['said', 'endless']) {
      const source = fetchSource('far', `http://127.0.0.1:${port}/${way}/`);
      await expect(source.read('config.json')).rejects.toThrow(/config\.json of far has more than 200 MB/);
    }
    server.closeAllConnections();
    server.close();
  });
});
