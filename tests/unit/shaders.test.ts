/** What the host knows of the shaders: names as types, codes read from the WGSL, switches that leave no word out. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { reflect } from '../../scripts/wgsl-plugin.ts';
import { declarations, declarationsFile } from '../../scripts/wgsl-types.ts';
import advantage from '../../shaders/rl/group-advantage.wgsl';
import loss from '../../shaders/rl/clipped-loss.wgsl';
import { advantageKinds, klEstimators, lossTerms, ratioLevels } from '../../src/engine/engine.ts';
import { advantageParams, lossParams, type LossSettings } from '../../src/engine/gpu/settings.ts';
import { workOf, type BufferView } from '../../src/engine/gpu/work.ts';
import { rowColumns } from '../../src/engine/step-metrics.ts';

describe('the types of the shaders', () => {
  it('are those of the WGSL as it is now (else: npm run shaders)', () => {
    expect(readFileSync(declarationsFile, 'utf8')).toBe(declarations());
  });

  it('know every buffer, parameter, entry point and constant', () => {
    const view: BufferView = { buffer: null!, offset: 0, size: 4 };
    const params = { groups: 1, size: 4, kind: advantage.constants.ADVANTAGE_GROUP };
    const works = [
      workOf(advantage, 'forward', { buffers: { rewards: view, advantage: view }, params, groups: 1 }),
      // @ts-expect-error a buffer by a name that the shader does not have
      workOf(advantage, 'forward', { buffers: { rewards: view, advantages: view }, params, groups: 1 }),
      // @ts-expect-error a buffer forgotten
      workOf(advantage, 'forward', { buffers: { rewards: view }, params, groups: 1 }),
      // @ts-expect-error a parameter forgotten
      workOf(advantage, 'forward', { buffers: { rewards: view, advantage: view }, params: { groups: 1, size: 4 }, groups: 1 }),
      // @ts-expect-error no such entry point
      workOf(advantage, 'backward', { buffers: { rewards: view, advantage: view }, params, groups: 1 }),
      // @ts-expect-error no such constant
      workOf(advantage, 'forward', { buffers: { rewards: view, advantage: view }, params, groups: 1, constants: { LINES: 8 } }),
    ];
    expect(works.map(({ shader }) => shader.label)).toEqual(Array(6).fill('rl/group-advantage'));
  });
});

describe('the words of the contract as numbers', () => {
  const settings: LossSettings = {
    rows: 1,
    width: 1,
    term: 'clip',
    ratio: 'token',
    kl: 'k3',
    old: 'none',
    ref: false,
    epsilonLow: 0.2,
    epsilonHigh: 0.2,
    beta: 0.1,
    entropyWeight: 0,
  };
  const distinct = (codes: readonly number[]) => expect(codes.length === new Set(codes).size && codes.every(Number.isInteger)).toBe(true);

  it('has one for each word, and no two alike', () => {
    distinct(lossTerms.map((term) => lossParams({ ...settings, term }).term));
    distinct(ratioLevels.map((ratio) => lossParams({ ...settings, ratio }).ratio));
    distinct(klEstimators.map((kl) => lossParams({ ...settings, kl }).kl));
    distinct(advantageKinds.map((kind) => advantageParams({ groups: 1, groupSize: 2, kind }).kind));
    expect([loss.constants.TERM_CLIP, advantage.constants.ADVANTAGE_NONE]).toEqual([2, 4]);
  });

  it('has a column for every row sum', () => {
    const numbers = Object.entries(loss.constants).filter(([name]) => name.startsWith('ROW_') && name !== 'ROW_COLUMNS');
    expect(numbers.map(([, at]) => at)).toEqual(rowColumns.map((_, at) => at));
    expect(loss.constants.ROW_COLUMNS).toBe(rowColumns.length);
  });
});

describe('a switch in WGSL', () => {
  const code = (cases: string) => `
const KIND_A = 0u;
const KIND_B = 1u;
struct Params { kind: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1) fn main() { switch params.kind { ${cases} default: {} } }`;

  it('has a case for every word of the list it names', () => {
    expect(() => reflect('x', code('case KIND_A: { out[0] = 1.0; }'))).toThrow('x: a switch over KIND_… has no case for KIND_B');
    expect(reflect('x', code('case KIND_A, KIND_B: { out[0] = 1.0; }')).constants).toEqual({ KIND_A: 0, KIND_B: 1 });
    expect(() => reflect('x', code('case 3u: { out[0] = 1.0; }'))).not.toThrow();
  });
});
