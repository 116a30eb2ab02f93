/** What a reader picks or drops, as a policy: folders, files, GGUF files and zips; and everything among them that is none. */
import { readFileSync } from 'node:fs';
import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from '@zip.js/zip.js/lib/zip-core-native.js';
import { describe, expect, it } from 'vitest';
import { licenceOf } from '../../src/policy/card.ts';
import { filesSource } from '../../src/policy/folder.ts';
import { givenFolder, type GivenFile } from '../../src/policy/given.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { initialWeights, weightsOf } from '../../src/policy/weights.ts';
import { tinyPolicyFiles } from '../helpers/tiny-folder.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const gguf = new Uint8Array(readFileSync('tests/fixtures/gguf/llama.gguf'));

const given = (files: Record<string, Uint8Array<ArrayBuffer>>, folder = ''): GivenFile[] =>
  Object.entries(files).map(([name, bytes]) => ({ path: `${folder}${name}`, file: new Blob([bytes]) }));

interface Packed {
  readonly [name: string]: Uint8Array;
}
/** @param level 0: without compression */
async function zip(files: Packed, level = 0): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false, level });
  for (const [name, bytes] of Object.entries(files)) await writer.add(name, new Uint8ArrayReader(bytes));
  return new Uint8Array(await writer.close());
}
const zipped = (bytes: Uint8Array<ArrayBuffer>): GivenFile[] => [{ path: 'tiny.zip', file: new Blob([bytes]) }];

async function load(files: readonly GivenFile[]) {
  const folder = await givenFolder(files);
  return loadPolicy(await filesSource(folder.name, folder.files));
}
/** With its numbers. */
async function whole(files: readonly GivenFile[]) {
  const policy = await load(files);
  return { ...policy, weights: await weightsOf(policy.weights) };
}
const sentence = (files: readonly GivenFile[]) =>
  load(files).then(
    () => 'was read',
    (error: Error) => error.message,
  );

describe('what was given is a policy', () => {
  it('as a folder, wherever in it the policy lies', async () => {
    const { id, weights, tokenizer } = await whole([
      ...given(tinyPolicyFiles(), 'mine/tiny/'),
      ...given({ 'notes.txt': utf8('mine') }, 'mine/'),
    ]);
    expect({ id, weights }).toEqual({ id: 'tiny', weights: initialWeights(tinyConfig, 3) });
    expect(tokenizer).not.toBeNull();
  });

  it('as its files', async () => {
    expect((await load(given(tinyPolicyFiles()))).id).toBe('policy');
  });

  it('as a GGUF file, in a folder or alone', async () => {
    expect((await load(given({ 'Some.Q8_0.gguf': gguf }))).id).toBe('Some.Q8_0');
    expect((await load(given({ 'Some.Q8_0.gguf': gguf, 'README.md': utf8('# Some') }, 'some/'))).id).toBe('Some.Q8_0');
  });

  it.each([0, 6])('as a zip, packed at level %d', async (level) => {
    const { id, weights } = await whole(zipped(await zip(tinyPolicyFiles(), level)));
    expect({ id, weights }).toEqual({ id: 'tiny', weights: initialWeights(tinyConfig, 3) });
    const inside = Object.fromEntries(Object.entries(tinyPolicyFiles()).map(([name, bytes]) => [`a/b/${name}`, bytes]));
    expect((await load(zipped(await zip(inside, level)))).id).toBe('b');
    expect((await load(zipped(await zip({ 'x/Some.gguf': gguf }, level)))).id).toBe('Some');
  });

  it('and of a zip only the policy’s files are unpacked, its weights read in place', async () => {
    const bytes = await zip({ ...tinyPolicyFiles(), 'unused.bin': new Uint8Array(10) });
    // What is not read may be broken.
    const at = Buffer.from(bytes).indexOf('unused.bin') + 'unused.bin'.length;
    bytes[at + 3] = 1;
    expect(await sentence(zipped(bytes))).toBe('was read');
  });
});

describe('what was given is no policy', () => {
  it.each<[string, GivenFile[], RegExp]>([
    ['nothing', [], /^No file was given\. Give the folder/],
    ['a picture', given({ 'cat.png': utf8('PNG') }), /^“cat\.png” is neither a GGUF file nor a zip\. Give the folder/],
    [
      'a folder without a configuration',
      given({ 'model.safetensors': utf8(''), 'a.txt': utf8('') }, 'm/'),
      /^There is no config\.json in m\. /,
    ],
    [
      'two policies',
      [...given(tinyPolicyFiles(), 'all/a/'), ...given(tinyPolicyFiles(), 'all/b/')],
      /^There is more than one policy in all: “all\/a\/config\.json”, “all\/b\/config\.json”\. Give the folder of one of them\.$/,
    ],
    [
      'two GGUF files',
      given({ 'a.gguf': gguf, 'b.gguf': gguf }, 'g/'),
      /^There are 2 GGUF files in g: “g\/a\.gguf”, “g\/b\.gguf”\. Give one/,
    ],
    ['no weights', given({ 'config.json': tinyPolicyFiles()['config.json']! }, 't/'), /^There is no model\.safetensors in t\. /],
    ['text that is called a GGUF', given({ 'a.gguf': utf8('hello') }), /^a\.gguf is no GGUF file/],
    ['text that is called a zip', zipped(utf8('hello hello hello hello hello hello')), /^tiny\.zip cannot be read: it is no zip/],
  ])('%s', async (_, files, said) => {
    expect(await sentence(files)).toMatch(said);
  });

  it('weights that were cut off, changed in their header, or are no numbers', async () => {
    const files = tinyPolicyFiles();
    const weights = files['model.safetensors']!;
    const withWeights = (bytes: Uint8Array<ArrayBuffer>) => given({ ...files, 'model.safetensors': bytes }, 't/');
    expect(await sentence(withWeights(weights.slice(0, -1)))).toMatch(/^model\.safetensors of t is broken: the tensor .* ends at byte/);
    const header = weights.slice();
    header[6] = 1;
    expect(await sentence(withWeights(header))).toMatch(
      /^model\.safetensors of t is broken: its header claims \d+ bytes, which is too much/,
    );
    const nan = weights.slice();
    new DataView(nan.buffer).setFloat32(nan.length - 4, NaN, true);
    expect(await sentence(withWeights(nan))).toMatch(/^The weights are no policy: number \d+ of the tensor \S+ is NaN\./);
  });
});

describe('a zip', () => {
  it('that leads out of itself is refused, before anything of it is read', async () => {
    for (const path of ['../config.json', 'a/../../config.json', '/etc/config.json', 'C:/config.json', 'a\\..\\config.json']) {
      const bytes = await zip({ ['x'.repeat(path.length)]: utf8('x'), ...tinyPolicyFiles() });
      // Writers refuse such names too.
      for (let at = Buffer.from(bytes).indexOf('x'.repeat(path.length)); at >= 0; at = Buffer.from(bytes).indexOf('x'.repeat(path.length)))
        bytes.set(utf8(path), at);
      expect(await sentence(zipped(bytes)), path).toMatch(/^tiny\.zip cannot be read: “.*”: a name in it leads out of the archive\./);
    }
  });

  it('that is damaged in a file that is needed is refused', async () => {
    for (const level of [0, 6]) {
      const bytes = await zip(tinyPolicyFiles(), level);
      const at = Buffer.from(bytes).indexOf('model.safetensors') + 3000;
      bytes[at] = bytes[at]! ^ 0x10;
      expect(await sentence(zipped(bytes)), `level ${level}`).toMatch(/^tiny\.zip cannot be read: “model\.safetensors”: /);
    }
  });

  it('that was cut off is refused', async () => {
    const bytes = await zip(tinyPolicyFiles());
    expect(await sentence(zipped(bytes.slice(0, -30)))).toMatch(/^tiny\.zip cannot be read: it is no zip, or its end is missing\./);
  });

  it('that would unpack to a thousand times its size is not unpacked', async () => {
    const bytes = await zip({ ...tinyPolicyFiles(), 'model.safetensors': new Uint8Array(20e6) }, 9);
    expect(bytes.length).toBeLessThan(2 ** 17);
    expect(await sentence(zipped(bytes))).toMatch(
      /^tiny\.zip cannot be read: “model\.safetensors” unpacks to 20 MB from 0\.0 MB, which no file of a policy does\./,
    );
  });

  it('whose files share their bytes is refused', async () => {
    const bytes = await zip(tinyPolicyFiles());
    const view = new DataView(bytes.buffer);
    // The directory's entry of the weights points at the local header of config.json.
    const entry = Buffer.from(bytes).lastIndexOf('model.safetensors') - 46;
    view.setUint32(entry + 42, 0, true);
    expect(await sentence(zipped(bytes))).toMatch(/^tiny\.zip cannot be read: /);
  });

  it('with a name twice, or encrypted, is refused', async () => {
    const twice = await zip({ ...tinyPolicyFiles(), 'config.jsoN': utf8('{}') });
    for (let at = Buffer.from(twice).indexOf('config.jsoN'); at >= 0; at = Buffer.from(twice).indexOf('config.jsoN'))
      twice.set(utf8('config.json'), at);
    expect(await sentence(zipped(twice))).toMatch(/it has “config\.json” twice/);
    const writer = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false, password: 'secret', zipCrypto: true });
    for (const [name, file] of Object.entries(tinyPolicyFiles())) await writer.add(name, new Uint8ArrayReader(file));
    expect(await sentence(zipped(new Uint8Array(await writer.close())))).toMatch(
      /“config\.json” is encrypted\. Pack it again without a password\./,
    );
  });
});

describe('the licence of a card', () => {
  const of = (text: string) => licenceOf(utf8(text));
  it('is read from its front matter', () => {
    expect(of('---\nlanguage: en\nlicense: apache-2.0\n---\n# A policy')).toBe('apache-2.0');
    expect(of('---\r\nlicense: "mit" # as ever\r\n---\r\n')).toBe('mit');
    expect(of('---\nlicense: other\nlicense_name: llama3.2\n---\n')).toBe('llama3.2');
    expect(of('---\nlicense: [mit]\n---\n')).toBe('mit');
  });

  it('is none where there is none', () => {
    expect(of('# license: mit')).toBeNull();
    expect(of('---\nlanguage: en\n---\nlicense: mit')).toBeNull();
    expect(licenceOf(null)).toBeNull();
  });
});
