/**
 * Subgroups: lanes that add up without memory, where an adapter offers them and a shader has a use for them (shaders/lib/workgroup.wgsl).
 * Only of a size that stays, because sums are added in an order that depends on it, and the same adapter always computes the same bits: one size is
 * all there is, or it can be asked for. What a shader computes is not known here.
 */

/** Of so many lanes. */
export interface Subgroups {
  /** A power of two; 1: every lane is alone. */
  readonly size: number;
  /** The size is one of several and has to be asked for. */
  readonly asked: boolean;
}

export const alone: Subgroups = { size: 1, asked: false };

/** Lanes of a workgroup that has subgroups. */
const lanes = 64;

const sizeControl = 'subgroup-size-control';

/** Those of an adapter, with the features of a device of it. */
export function subgroupsOf(info: Pick<GPUAdapterInfo, 'subgroupMinSize' | 'subgroupMaxSize'>, features: ReadonlySet<string>): Subgroups {
  const { subgroupMinSize: least = 0, subgroupMaxSize: most = 0 } = info;
  if (!features.has('subgroups') || least === 0) return alone;
  // 32 is whole on every GPU that can be asked.
  const size = least === most ? least : Math.max(least, Math.min(32, most));
  const asked = least !== most;
  const fits = size > 1 && lanes % size === 0;
  return fits && (!asked || features.has(sizeControl)) ? { size, asked } : alone;
}

const given = new WeakMap<GPUDevice, Subgroups>();

/** From now on, what is compiled for a device has them. */
export function giveSubgroups(device: GPUDevice, subgroups: Subgroups): void {
  given.set(device, subgroups);
}

export const subgroupsOn = (device: GPUDevice): Subgroups => given.get(device) ?? alone;

/** WGSL text with subgroups of such a size, where it has a use for them. */
export function withSubgroups(code: string, { size, asked }: Subgroups): string {
  if (size === 1 || !/^const SUBGROUP = 1u;/m.test(code)) return code;
  const instructions = code
    .replace(/^const SUBGROUP = 1u;/m, `const SUBGROUP = ${size}u;`)
    .replace(/^(fn subgroup_sum\(.*\n) {2}return value;/m, '$1  return subgroupAdd(value);')
    .replace(/^(fn subgroup_max\(.*\n) {2}return value;/m, '$1  return subgroupMax(value);')
    .replace(/^(fn across\(.*\n) {2}return value;/m, '$1  return subgroupShuffleXor(value, distance);');
  if (!asked) return `enable subgroups;\n${instructions}`;
  return `enable subgroups, subgroup_size_control;\n${instructions.replaceAll(/^@compute /gm, `@compute @subgroup_size(${size}u) `)}`;
}
