/** tfjs is two megabytes of code, and only the portable engine computes with it: nobody else loads it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadedWith } from '../helpers/static-imports.ts';

const tfjs = ({ packages }: ReturnType<typeof loadedWith>) => [...packages].filter((name) => name.startsWith('@tensorflow/'));
const portable = ({ files }: ReturnType<typeof loadedWith>) => [...files].filter((file) => file.startsWith('src/engine/portable/'));

describe('tfjs is not loaded', () => {
  it('with the fused engine and its device', () => {
    const loaded = loadedWith('src/engine/create.ts', 'src/engine/gpu/device.ts', 'src/engine/fused/engine.ts');
    expect(loaded.files).toContain('src/engine/fused/kernels/matmul.ts');
    expect([tfjs(loaded), portable(loaded)]).toEqual([[], []]);
  });

  it('with the wasm engine', () => {
    const loaded = loadedWith('src/engine/create.ts', 'src/engine/wasm/engine.ts');
    expect(loaded.files).toContain('src/engine/wasm/decoder.ts');
    expect([tfjs(loaded), portable(loaded)]).toEqual([[], []]);
  });

  it('with the worker', () => {
    const loaded = loadedWith('src/worker/trainer.worker.ts');
    expect(loaded.files).toContain('src/engine/create.ts');
    expect([tfjs(loaded), portable(loaded)]).toEqual([[], []]);
  });

  it('with any command of the command line', () => {
    const loaded = loadedWith(...readdirSync('src/cli').map((file) => join('src/cli', file)));
    expect(loaded.files).toContain('src/engine/create.ts');
    expect([tfjs(loaded), portable(loaded)]).toEqual([[], []]);
  });

  it('but with the portable engine, which is computed by it', () => {
    expect(tfjs(loadedWith('src/engine/portable/create.ts'))).toContain('@tensorflow/tfjs');
  });
});
