/**
 * One dispatch of a shader on ranges of buffers, as data: what the kernels of the fused engine return and what a plan
 * (`plan.ts`) makes runnable. Nothing here touches the GPU.
 */
import { LabError } from '../../errors.ts';
import type { BufferOf, ConstantsOf, EntryOf, ParamOf, Shader } from './shader.ts';

/** A range of a buffer, in bytes. Offsets are multiples of 256, which every GPU can bind at. */
export interface BufferView {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

export interface Work {
  readonly shader: Shader;
  readonly entry: string;
  /**
   * New values of the shader's `const` and `alias` lines, which, unlike overrides, may size arrays and choose types:
   * a number is written as an unsigned integer, a string as it is.
   */
  readonly constants?: Readonly<Record<string, number | string | boolean | undefined>>;
  /** A range for every storage binding of the entry point, by name. */
  readonly buffers: Readonly<Record<string, BufferView>>;
  /** A number for every field of the uniform struct, by name. */
  readonly params: Readonly<Record<string, number>>;
  /** Workgroups: a count, laid out in two dimensions beyond the limit of one, or the grid itself. */
  readonly groups: number | readonly [number, number, number];
  /** Estimated multiplications and additions, where they are more than a few for every number read. */
  readonly operations?: number;
}

/** Estimated: what is said of it, or a few for every number that it can reach. */
export function operationsOf({ operations, buffers }: Work): number {
  if (operations !== undefined) return operations;
  let bytes = 0;
  for (const { size } of Object.values(buffers)) bytes = Math.max(bytes, size);
  return bytes;
}

/** A dispatch, its names checked by the compiler against those of the shader. */
export function workOf<S extends Shader, E extends EntryOf<S>>(
  shader: S,
  entry: E,
  of: {
    readonly constants?: ConstantsOf<S>;
    readonly buffers: Readonly<Record<BufferOf<S, E>, BufferView>>;
    readonly params: Readonly<Record<ParamOf<S, E>, number>>;
    readonly groups: Work['groups'];
    readonly operations?: number;
  },
): Work {
  return { shader, entry, ...of };
}

/** Bytes between the starts of two views of one buffer, and of two uniforms. */
export const viewAlignment = 256;

export const align = (bytes: number): number => Math.ceil(bytes / viewAlignment) * viewAlignment;

/** All bytes of a buffer. */
export function wholeBuffer(buffer: GPUBuffer): BufferView {
  return { buffer, offset: 0, size: buffer.size };
}

/** `count` numbers of four bytes from number `first` on. */
export function part(view: BufferView, first: number, count: number): BufferView {
  const offset = view.offset + first * 4;
  if (offset % viewAlignment !== 0) throw new Error(`a view cannot start at byte ${offset}`);
  if (first * 4 + count * 4 > view.size) throw new Error(`numbers ${first} to ${first + count} of ${view.size / 4}`);
  return { buffer: view.buffer, offset, size: count * 4 };
}

/** [x, y] with x * y >= groups and neither beyond the limit; as few idle groups as rows of x allow. */
export function layoutGroups(groups: number, limit: number): [number, number] {
  const y = Math.ceil(groups / limit);
  if (y > limit)
    throw new LabError('webgpu', `${groups} workgroups are more than one dispatch can hold.`, 'Use fewer rows per micro-batch.');
  return [Math.ceil(groups / y), y];
}

/** WGSL text with other values in its `const NAME = …;` and `alias NAME = …;` lines. */
export function specialise(code: string, constants: Work['constants'] = {}): string {
  let text = code;
  for (const [name, value] of Object.entries(constants)) {
    if (value === undefined) continue;
    const line = new RegExp(`^(const|alias) ${name} = [^;]*;`, 'm');
    if (!line.test(text)) throw new Error(`the shader has no constant ${name}`);
    text = text.replace(line, `$1 ${name} = ${typeof value === 'number' ? `${value}u` : String(value)};`);
  }
  return text;
}
