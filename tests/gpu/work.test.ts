/** Plans: dispatches as data run in order, with constants written into the shader and parameters that can change. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { Plan } from '../../src/engine/gpu/plan.ts';
import { part, specialise, workOf } from '../../src/engine/gpu/work.ts';
import advantage from '../../shaders/rl/group-advantage.wgsl';
import { WorkBench } from '../helpers/gpu-work.ts';

let gpu: GpuContext;
let bench: WorkBench;

beforeAll(async () => {
  gpu = await acquireGpu();
  bench = new WorkBench(gpu.device);
});
afterAll(() => {
  bench.dispose();
  gpu.release();
});

describe('a plan', () => {
  it('runs works in order on views of buffers', async () => {
    const rewards = bench.input([...new Array<number>(64).fill(0), 1, 0, 0, 1]);
    const out = bench.output(4);
    const { ADVANTAGE_GROUP, ADVANTAGE_LEAVE_ONE_OUT } = advantage.constants;
    const work = (size: number, kind: number) =>
      workOf(advantage, 'forward', {
        buffers: { rewards: part(rewards, 64, 4), advantage: out },
        params: { groups: 4 / size, size, kind },
        groups: 1,
      });
    await bench.run([work(4, ADVANTAGE_GROUP)]);
    expect([...(await bench.read(out))]).toEqual([0.5, -0.5, -0.5, 0.5]);
    const plan = await Plan.create(gpu.device, [work(4, ADVANTAGE_GROUP)], 'test');
    plan.setParams(0, { groups: 2, size: 2, kind: ADVANTAGE_LEAVE_ONE_OUT });
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    plan.encode(pass);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    expect([...(await bench.read(out))]).toEqual([1, -1, -1, 1]);
    expect(plan.labelOf(0)).toBe('rl/group-advantage.forward');
    plan.dispose();
    gpu.check();
  });

  it('writes constants into the text, and only those that are there', () => {
    const code = 'const TILE = 8u;\nalias Weight = f32;\nconst EPSILON = 1e-5;';
    expect(specialise(code, { TILE: 16, Weight: 'vec2f', EPSILON: '1e-6' })).toBe(
      'const TILE = 16u;\nalias Weight = vec2f;\nconst EPSILON = 1e-6;',
    );
    expect(() => specialise(code, { TIE: 1 })).toThrow(/no constant TIE/);
    expect(() => part({ buffer: null!, offset: 0, size: 512 }, 63, 1)).toThrow(/cannot start/);
  });
});
