/** Tensors as files store them: every format against what the gguf package makes of the same bytes, and files that are read by range. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync, openSync, writeSync, closeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diskFile } from '../../src/cli/disk-file.ts';
import { folderSource } from '../../src/cli/folder.ts';
import { labErrorCode } from '../../src/errors.ts';
import { blobFile, bytesFile, type PolicyFile } from '../../src/policy/file.ts';
import { readSafetensors } from '../../src/policy/safetensors.ts';
import { fetchSource, openFile } from '../../src/policy/source.ts';
import { encode, type WrittenFormat } from '../../src/policy/tensor-encoding.ts';
import { tensorFormats, type TensorFormat } from '../../src/policy/tensor-format.ts';
import { numbersOf, pieces, type Tensor } from '../../src/policy/tensor.ts';

const fixtures = JSON.parse(readFileSync('tests/fixtures/tensors/formats.json', 'utf8')) as {
  readonly formats: Readonly<Record<TensorFormat, { readonly raw: string; readonly float32: string }>>;
  readonly encoded: Readonly<Record<Exclude<WrittenFormat, 'f32'>, { readonly float32: string; readonly raw: string }>>;
};
const bytesOf = (base64: string) => Uint8Array.from(Buffer.from(base64, 'base64'));
const bitsOf = (numbers: Float32Array) => new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);

const bytesIn = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);

/** @param shift of the bytes from an address that fits every view */
function tensorOf(format: TensorFormat, raw: Uint8Array, shift = 0): Tensor {
  const { numbers, bytes } = tensorFormats[format];
  const shifted = new Uint8Array(raw.length + shift);
  shifted.set(raw, shift);
  const shape = [raw.length / bytes, numbers];
  const read = (from: number, to: number) => Promise.resolve(shifted.subarray(shift + from, shift + to));
  return { name: 'x', shape, dtype: format, format, byteLength: raw.length, read };
}

describe('a format', () => {
  it.each(Object.keys(tensorFormats) as TensorFormat[])('%s gives the numbers of the reference, bit for bit', async (format) => {
    const { raw, float32 } = fixtures.formats[format];
    const expected = new Uint32Array(bytesOf(float32).buffer);
    expect(bytesOf(raw).length / tensorFormats[format].bytes).toBe(expected.length / tensorFormats[format].numbers);
    for (const shift of [0, 1]) expect(bitsOf(await numbersOf(tensorOf(format, bytesOf(raw), shift)))).toEqual(expected);
  });

  it.each(['bf16', 'f16', 'q8_0'] as const)('%s is written as the reference writes it, bit for bit', (format) => {
    const { float32, raw } = fixtures.encoded[format];
    const numbers = new Float32Array(bytesOf(float32).buffer);
    const [expected, written] = [bytesOf(raw), encode(format, numbers)];
    // Which bits a binary16 has that is no number differs from machine to machine.
    const same = (i: number) => written[i] === expected[i] || (format === 'f16' && Number.isNaN(numbers[i >> 1]!));
    expect(expected.length).toBe(written.length);
    expect([...expected.keys()].filter((i) => !same(i))).toEqual([]);
    if (format === 'q8_0') return;
    for (const n of [...numbers.keys()].filter((at) => Number.isNaN(numbers[at]!))) {
      const half = written[2 * n]! | (written[2 * n + 1]! << 8);
      expect(half & 0x7fff).toBeGreaterThan(format === 'f16' ? 0x7c00 : 0x7f80);
    }
  });

  it('comes out as it went in', async () => {
    for (const format of ['bf16', 'f16', 'f32'] as const) {
      const raw = bytesOf(fixtures.formats[format].raw);
      expect(Buffer.compare(encode(format, await numbersOf(tensorOf(format, raw))), raw), format).toBe(0);
    }
  });

  it('is read a piece at a time, which is where the whole would be', async () => {
    const raw = new Uint8Array(34 * (2 ** 18 + 5)).map((_, i) => (i % 34 === 1 ? 0x20 : i));
    const tensor = tensorOf('q8_0', raw);
    const asked: number[] = [];
    const watched = {
      ...tensor,
      read: (from: number, to: number) => {
        asked.push(to - from);
        return tensor.read(from, to);
      },
    };
    const whole = await numbersOf(watched);
    expect(asked).toEqual([34 * 2 ** 17, 34 * 2 ** 17, 34 * 5]);
    let at = 0;
    for await (const piece of pieces(tensor)) {
      expect(Buffer.compare(bytesIn(piece), bytesIn(whole.subarray(at, at + piece.length)))).toBe(0);
      at += piece.length;
    }
    expect(at).toBe(whole.length);
  });

  it('that needs more memory than there is says so', async () => {
    const error: unknown = await numbersOf({ ...tensorOf('q4_0', new Uint8Array(18)), shape: [2 ** 40, 32] }).catch((e: unknown) => e);
    expect(labErrorCode(error)).toBe('memory');
    expect((error as Error).message).toMatch(/^The tensor x has 131072\.00 GiB of float32/);
  });
});

describe('a file that is read by range', () => {
  const content = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
  let scratch: string;
  beforeAll(() => (scratch = mkdtempSync(join(tmpdir(), 'permix-ranges-'))));
  afterAll(() => rmSync(scratch, { recursive: true }));

  /** A server that treats `/x` in this way. */
  async function served<T>(answer: (request: IncomingMessage, response: ServerResponse) => void, use: (base: string) => Promise<T>) {
    const server = createServer(answer).listen(0);
    try {
      return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  const asked: string[] = [];
  /** As static hosts do it. @param change of a later answer */
  function ranges(request: IncomingMessage, response: ServerResponse, body = content, tag = '"1"'): void {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    asked.push(range?.[0] ?? 'whole');
    if (!range) return void response.end(body);
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), body.length - 1)];
    if (from >= body.length) return void response.writeHead(416).end();
    response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${body.length}`, etag: tag });
    response.end(body.subarray(from, to + 1));
  }

  async function givesBack(file: PolicyFile | null): Promise<void> {
    expect(file!.size).toBe(content.length);
    for (const [from, to] of [
      [0, 8],
      [65_530, 65_540],
      [199_999, 200_000],
      [200_000, 200_000],
      [0, 200_000],
    ] as const)
      expect(Buffer.compare(await file!.read(from, to), content.subarray(from, to))).toBe(0);
  }

  it('lies in memory, in a Blob, on disk', async () => {
    writeFileSync(join(scratch, 'x.bin'), content);
    await givesBack(bytesFile('x', content));
    await givesBack(blobFile('x', new Blob([content])));
    await givesBack(await diskFile(join(scratch, 'x.bin')));
    await givesBack(await openFile({ id: 'whole', read: () => Promise.resolve(content) }, 'x'));
    expect(await (await folderSource(scratch)).open!('y.bin')).toBe(null);
  });

  it('on disk is not read on where it was changed', async () => {
    const path = join(scratch, 'changing.bin');
    writeFileSync(path, content);
    const file = await diskFile(path);
    await file.read(0, 8);
    utimesSync(path, 1, 1);
    await expect(file.read(0, 8)).rejects.toThrow(/changing\.bin cannot be read: it was changed meanwhile/);
    rmSync(path);
    await expect(file.read(0, 8)).rejects.toThrow(/changing\.bin cannot be read: ENOENT/);
  });

  it('on a server is asked for in ranges, its beginning once', async () => {
    await served(ranges, async (base) => {
      asked.length = 0;
      await givesBack(await fetchSource('far', base).open!('x'));
      expect(asked).toEqual(['bytes=0-65535', 'bytes=65530-65539', 'bytes=199999-199999', 'bytes=0-199999']);
    });
  });

  it('is read whole from a server without ranges, one that packs, and one that keeps its size to itself', async () => {
    await served(
      (_, response) => response.end(content),
      async (base) => givesBack(await fetchSource('far', base).open!('x')),
    );
    const packed = gzipSync(content);
    const packing = (request: IncomingMessage, response: ServerResponse) => {
      response.setHeader('content-encoding', 'gzip');
      ranges(request, response, packed);
    };
    await served(packing, async (base) => givesBack(await fetchSource('far', base).open!('x')));
    const silent = (request: IncomingMessage, response: ServerResponse) =>
      request.headers.range ? response.writeHead(206).end(content.subarray(0, 10)) : response.end(content);
    await served(silent, async (base) => givesBack(await fetchSource('far', base).open!('x')));
  });

  it('is not read whole where no array could hold it', async () => {
    const large = (_: IncomingMessage, response: ServerResponse) => response.writeHead(200, { 'content-length': 2 ** 31 }).write('{');
    await served(large, async (base) => {
      const source = fetchSource('far', base);
      const sentence = /model\.safetensors of far has 2\.00 GiB, and its server sends no parts of it; .* up to 2 GiB\. Save the policy/;
      await expect(source.open!('model.safetensors')).rejects.toThrow(sentence);
      await expect(source.read('model.safetensors')).rejects.toThrow(sentence);
    });
  });

  it('may be empty, or not there', async () => {
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      if (request.url === '/empty') ranges(request, response, new Uint8Array());
      else if (request.url === '/page') response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
      else response.writeHead(404).end();
    };
    await served(answer, async (base) => {
      const source = fetchSource('far', base);
      expect((await source.open!('empty'))!.size).toBe(0);
      expect(await source.open!('page')).toBe(null);
      expect(await source.open!('none')).toBe(null);
    });
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse) => void, RegExp]>([
    ['an error', (_, response) => response.writeHead(500).end(), /x of far could not be fetched \(the server answered 500\)/],
    [
      'an error later',
      (request, response) => (request.headers.range === 'bytes=0-65535' ? ranges(request, response) : response.writeHead(503).end()),
      /the server answered 503/,
    ],
    [
      'another file later',
      (request, response) => ranges(request, response, content, request.headers.range === 'bytes=0-65535' ? '"1"' : '"2"'),
      /changed on the server meanwhile/,
    ],
    [
      'the whole file later',
      (request, response) => (request.headers.range === 'bytes=0-65535' ? ranges(request, response) : response.end(content)),
      /changed on the server meanwhile/,
    ],
    [
      'another range',
      (_, response) => response.writeHead(206, { 'content-range': 'bytes 5-65540/200000' }).end(content.subarray(5, 65_541)),
      /something else than its bytes 0 to 65535/,
    ],
    [
      'more than was asked for',
      (_, response) => response.writeHead(206, { 'content-range': 'bytes 0-65535/200000' }).end(content),
      /something else than its bytes 0 to 65535/,
    ],
  ])('says so where the server gives %s', async (_, answer, sentence) => {
    await served(answer, async (base) => {
      const reading = async () => (await fetchSource('far', base).open!('x'))!.read(100_000, 100_100);
      await expect(reading()).rejects.toThrow(sentence);
    });
  });

  it('may be larger than any array: a safetensors file of 5 GiB', async () => {
    const path = join(scratch, 'large.safetensors');
    const [before, numbers] = [5 * 2 ** 30, Float32Array.of(1.5, -2)];
    const header = JSON.stringify({
      hole: { dtype: 'BF16', shape: [2 ** 20, 2560], data_offsets: [0, before] },
      last: { dtype: 'F32', shape: [2], data_offsets: [before, before + 8] },
    });
    const start = Buffer.concat([Buffer.from(BigUint64Array.of(BigInt(header.length)).buffer), Buffer.from(header)]);
    writeFileSync(path, start);
    // Nothing is written between: the disk keeps a hole.
    truncateSync(path, start.length + before + 8);
    const handle = openSync(path, 'r+');
    writeSync(handle, new Uint8Array(numbers.buffer), 0, 8, start.length + before);
    closeSync(handle);
    const { tensors } = await readSafetensors((await (await folderSource(scratch)).open!('large.safetensors'))!);
    expect(await numbersOf(tensors.get('last')!)).toEqual(numbers);
    expect([...(await tensors.get('hole')!.read(before - 4, before))]).toEqual([0, 0, 0, 0]);
  });
});
