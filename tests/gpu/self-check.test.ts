/** A GPU whose compiler gets one multiplication wrong: the self-check finds it, and the page's workbench says so and computes on WebAssembly. */
import { afterEach, expect, it, vi } from 'vitest';
import simdWasm from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import plainWasm from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import { processMemory } from '../../src/engine/checked.ts';
import { initialWeights, tensorsOf } from '../../src/policy/weights.ts';
import { Bench } from '../../src/worker/bench.ts';
import { tinyConfig, tinyTokenizer } from '../helpers/tiny-policy.ts';

afterEach(() => vi.restoreAllMocks());

const bench = () =>
  new Bench({
    loadPolicy: (id) =>
      Promise.resolve({
        id,
        config: tinyConfig,
        weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 1)),
        tokenizer: tinyTokenizer(),
      } as never),
    wasmPath: {
      'tfjs-backend-wasm.wasm': plainWasm,
      'tfjs-backend-wasm-simd.wasm': simdWasm,
      'tfjs-backend-wasm-threaded-simd.wasm': simdWasm,
    },
    checks: { program: 'test 1', memory: processMemory() },
  });

it('one wrong multiplication in one shader', { timeout: 600_000 }, async () => {
  let tampered = 0;
  const compile = GPUDevice.prototype.createShaderModule;
  vi.spyOn(GPUDevice.prototype, 'createShaderModule').mockImplementation(function (this: GPUDevice, descriptor) {
    const code = descriptor.code.replace('weight[c]) * (x[start + c] * r)', 'weight[c]) + (x[start + c] * r)');
    if (code !== descriptor.code) tampered++;
    return compile.call(this, { ...descriptor, code });
  });
  const { engine, reason, notices, checks } = await bench().choose({ engine: 'fused', backend: 'webgpu', selftest: true }, 'tiny');
  expect(tampered).toBeGreaterThan(0);
  expect(checks.map(({ passed }) => passed)).toEqual([false, true]);
  expect(engine.info.backend).toBe('wasm');
  expect(reason).toMatch(/^The self-check of fused on webgpu .* failed: .* So the policy runs on WebAssembly\.$/);
  expect(notices[0]).toMatch(/should be \S+ and came out as \S+\. .*The report, to be copied or saved, is behind the engine's name/);
  expect(JSON.parse(checks[0]!.report.slice(checks[0]!.report.indexOf('{')))).toMatchObject({ engine: 'fused', passed: false });
});
