/**
 * The angles of rotary position embedding (Su et al. 2021), for both engines: numbers on the host. How a head is turned by
 * them is in shaders/nn/turn.wgsl and portable/ops/rope.ts.
 */
import type { PolicyConfig } from '../policy/config.ts';

/** [positions, hd], row-major: the cosines of a position's hd/2 angles, then their sines. */
export function ropeTable(
  config: Pick<PolicyConfig, 'headDim' | 'ropeTheta' | 'ropeScaling'>,
  positions: number,
): Float32Array<ArrayBuffer> {
  const half = config.headDim / 2;
  const table = new Float32Array(positions * config.headDim);
  for (let i = 0; i < half; i++) {
    const frequency = scaled(config.ropeTheta ** (-i / half), config.ropeScaling);
    for (let position = 0; position < positions; position++) {
      table[position * config.headDim + i] = Math.cos(position * frequency);
      table[position * config.headDim + half + i] = Math.sin(position * frequency);
    }
  }
  return table;
}

/** The linear and llama3 scalings as transformers defines them (modeling_rope_utils.py). */
function scaled(frequency: number, scaling: PolicyConfig['ropeScaling']): number {
  if (!scaling) return frequency;
  if (scaling.type === 'linear') return frequency / scaling.factor;
  const wavelength = (2 * Math.PI) / frequency;
  const turns = scaling.originalMaxPositions / wavelength;
  if (turns < scaling.lowFreqFactor) return frequency / scaling.factor;
  if (turns > scaling.highFreqFactor) return frequency;
  const smooth = (turns - scaling.lowFreqFactor) / (scaling.highFreqFactor - scaling.lowFreqFactor);
  return ((1 - smooth) * frequency) / scaling.factor + smooth * frequency;
}
