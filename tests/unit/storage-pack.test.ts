/** A packed state is the same state, bit for bit, and damaged bytes are found out. */
import { untrained } from '../../src/engine/engine.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { fingerprint, fnv1a64, matches } from '../../src/storage/hash.ts';
import { packCheckpoint, packState, unpackCheckpoint, unpackState } from '../../src/storage/pack.ts';
import { draft, policyState } from '../helpers/run-records.ts';

const bits = (data: Float32Array) => new Uint32Array(data.buffer, data.byteOffset, data.length);

describe('pack', () => {
  it('gives back exact bits, NaN payloads and subarrays included', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(0xffffffff), { maxLength: 9 }), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        (words, moments, lora) => {
          const weights = Object.fromEntries(
            words.map((tensor, i) => {
              // A view into a larger buffer, at an offset, as engines hand them out.
              const buffer = new Uint32Array([7, ...tensor, 7]);
              return [`tensor ${i} “ä”`, new Float32Array(buffer.buffer, 4, tensor.length)];
            }),
          );
          const adapters = lora ? { rank: 4, alpha: 7.5, tensors: { 'lora A': Float32Array.of(1, -0), ...weights } } : null;
          const trained = adapters?.tensors ?? weights;
          const state = {
            weights,
            adapters,
            moments: moments ? { first: trained, second: trained } : null,
            optimSteps: 3,
            skippedSteps: 1,
          };
          const back = unpackState(packState(state));
          expect(Object.keys(back.weights!)).toEqual(Object.keys(weights));
          for (const [name, data] of Object.entries(weights)) {
            expect(bits(back.weights![name]!)).toEqual(bits(data.slice()));
            if (moments) expect(bits(back.moments!.second[name]!)).toEqual(bits(data.slice()));
          }
          expect(back.adapters && [back.adapters.rank, back.adapters.alpha]).toEqual(adapters && [4, 7.5]);
          expect(back.adapters && Object.keys(back.adapters.tensors)).toEqual(adapters && Object.keys(trained));
          for (const [name, data] of Object.entries(trained)) {
            if (adapters) expect(bits(back.adapters!.tensors[name]!)).toEqual(bits(data.slice()));
            if (moments) expect(bits(back.moments!.first[name]!)).toEqual(bits(data.slice()));
          }
          expect([back.moments === null, back.optimSteps, back.skippedSteps]).toEqual([!moments, 3, 1]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('carries config and counters', () => {
    const content = draft('a', 7);
    const back = unpackCheckpoint(packCheckpoint(content));
    expect(back).toEqual({ config: content.config, trainer: content.trainer, state: content.state });
  });

  it.each([NaN, Infinity, -Infinity])('makes no checkpoint of weights or adapters with %s in them', (wrong) => {
    const content = draft('a', 7);
    const state = { ...content.state, weights: { ...content.state.weights, w: Float32Array.of(1, wrong) } };
    expect(codeOf(() => packCheckpoint({ ...content, state }))).toBe('numeric');
    const adapters = { rank: 1, alpha: 2, tensors: { a: Float32Array.of(wrong) } };
    expect(codeOf(() => packCheckpoint({ ...content, state: { ...content.state, adapters } }))).toBe('numeric');
  });

  it('reads what was stored before there were adapters', () => {
    const { lora: _, ...config } = draft('a', 7).config;
    const packed = packCheckpoint({ ...draft('a', 7), config: config as RunConfig });
    expect(new DataView(packed).getUint32(4, true)).toBe(1);
    const back = unpackCheckpoint(packed);
    expect([back.config.lora, back.state.adapters]).toEqual([null, null]);
  });

  it('leaves out the weights that a run began with', () => {
    const adapters = { rank: 1, alpha: 2, tensors: { a: Float32Array.of(1) } };
    for (const state of [{ ...untrained, adapters }, untrained]) {
      const packed = packState(state);
      expect(new DataView(packed).getUint32(4, true)).toBe(3);
      expect(packed.byteLength).toBeLessThan(300);
      expect(unpackState(packed)).toEqual(state);
    }
  });

  it('reads what was stored when adapters lay beside the weights that they made', () => {
    const content = draft('a', 7, { config: { ...draft('a', 7).config, lora: { rank: 1, alpha: 2 } } });
    const tensors = { a: Float32Array.of(1) };
    const moments = { first: tensors, second: tensors };
    const packed = packCheckpoint({ ...content, state: { ...content.state, adapters: { rank: 9, alpha: 9, tensors }, moments } });
    const bytes = new Uint8Array(packed);
    const length = new DataView(packed).getUint32(8, true);
    const header = new TextDecoder().decode(bytes.subarray(12, 12 + length)).replace(',"lora":{"rank":9,"alpha":9}', '');
    bytes.set(new TextEncoder().encode(header.padEnd(length)), 12);
    new DataView(packed).setUint32(4, 2, true);
    expect(unpackCheckpoint(packed).state).toEqual({ ...content.state, weights: null, adapters: { rank: 1, alpha: 2, tensors }, moments });
  });

  it('refuses every truncation and a foreign file', () => {
    const packed = packState(policyState(2));
    for (let length = 0; length < packed.byteLength; length += 3) {
      expect(codeOf(() => unpackState(packed.slice(0, length)))).toBe('format');
    }
    expect(codeOf(() => unpackState(new Uint8Array(400).fill(65).buffer))).toBe('format');
    expect(codeOf(() => unpackCheckpoint(packed))).toBe('format');
  });

  it('refuses a header that is valid JSON and no header', () => {
    const packed = packCheckpoint(draft('a', 7));
    const length = new DataView(packed).getUint32(8, true);
    const header = new TextDecoder().decode(new Uint8Array(packed, 12, length));
    const other = (change: (text: string) => string) => {
      const bytes = new Uint8Array(packed.slice(0));
      bytes.set(new TextEncoder().encode(change(header).padEnd(length)), 12);
      return codeOf(() => unpackCheckpoint(bytes.buffer));
    };
    expect(other((text) => text)).toBeNull();
    for (const change of [
      (text: string) => text.replace('"moments":true', '"moments":1'),
      (text: string) => text.replace(/"length":\d+/, '"length":"1"'),
      (text: string) => text.replace(/"length":\d+/, '"length":-1'),
      (text: string) => text.replace(/"optimSteps":\d+/, '"optimSteps":.5'),
      (text: string) => text.replace(/"cursor":\d+/, '"cursor":[]'),
      (text: string) => text.replace('"trainer":', '"tr":'),
      () => '{"tensors":[]}',
      () => '[]',
      () => 'null',
    ]) {
      expect(change(header)).not.toBe(header);
      expect(other(change), String(change)).toBe('format');
    }
  });

  it('names the version it cannot read', () => {
    const packed = packState(policyState(1));
    new DataView(packed).setUint32(4, 9, true);
    expect(() => unpackState(packed)).toThrow(/version 9/);
  });
});

describe('fingerprint', () => {
  it('is FNV-1a as published', () => {
    const of = (text: string) => fnv1a64(new TextEncoder().encode(text));
    expect([of(''), of('a'), of('foobar')]).toEqual(['cbf29ce484222325', 'af63dc4c8601ec8c', '85944171f73967e8']);
  });

  it('agrees with FNV-1a over BigInt', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        let hash = 0xcbf29ce484222325n;
        for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
        expect(fnv1a64(bytes)).toBe(hash.toString(16).padStart(16, '0'));
      }),
    );
  });

  it('finds one flipped bit', async () => {
    const bytes = packState(policyState(1));
    const hash = await fingerprint(bytes);
    expect(hash).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await matches(bytes, hash)).toBe(true);
    expect(await matches(bytes, `fnv1a64:${fnv1a64(new Uint8Array(bytes))}`)).toBe(true);
    new Uint8Array(bytes)[bytes.byteLength - 1]! ^= 1;
    expect(await matches(bytes, hash)).toBe(false);
    expect(await matches(bytes, 'nonsense')).toBe(false);
  });
});

function codeOf(action: () => unknown): string | null {
  try {
    action();
    return null;
  } catch (error) {
    return labErrorCode(error);
  }
}
