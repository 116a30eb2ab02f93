/** Gradients tensor by tensor: theirs from a file that Python wrote, beside ours. */
import { diskFile } from '../../src/cli/disk-file.ts';
import { readSafetensors } from '../../src/policy/safetensors.ts';
import { numbersOf } from '../../src/policy/tensor.ts';
import type { Weights } from '../../src/policy/weights.ts';
import type { Row } from './main.ts';

export async function numbersIn(path: string): Promise<Weights> {
  const { tensors } = await readSafetensors(await diskFile(path));
  const found: Record<string, Float32Array> = {};
  for (const [name, tensor] of tensors) found[name] = await numbersOf(tensor);
  return found;
}

/** The worst tensor's. @throws Error where the two are not of the same tensors */
export function gradientRow(of: string, ours: Weights, theirs: Weights): Row {
  const names = Object.keys(theirs);
  const foreign = [...names, ...Object.keys(ours)].find((name) => ours[name]?.length !== theirs[name]?.length);
  if (names.length === 0 || foreign !== undefined)
    throw new Error(`The gradients of ${of} are not of the same tensors: ${foreign ?? 'there are none'}.`);
  const difference = Math.max(...names.map((name) => distance(ours[name]!, theirs[name]!)));
  return { what: 'gradients, of their norm', of: `${of}, ${names.length} tensors`, difference, tolerance: 2e-4 };
}

/** |one - other| / |other| */
function distance(one: Float32Array, other: Float32Array): number {
  let [apart, norm] = [0, 0];
  for (let i = 0; i < one.length; i++) {
    apart += (one[i]! - other[i]!) ** 2;
    norm += other[i]! ** 2;
  }
  return Math.sqrt(apart / norm);
}
