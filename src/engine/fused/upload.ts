/**
 * The way of a policy's tensors into an arena: piece by piece, so that beside the GPU's memory a piece is held and never a tensor. Numbers
 * that are stored as they are computed with go as they are; others are decoded on the way.
 */
import { encode } from '../../policy/tensor-encoding.ts';
import { tensorFormats } from '../../policy/tensor-format.ts';
import { checkFormat, numberCount, type Tensor } from '../../policy/tensor.ts';
import { finitePieces, noPolicy, type PolicyTensors } from '../../policy/weights.ts';
import type { WeightFormat } from './kernels/matmul.ts';
import type { ArenaLayout } from './layout.ts';
import type { Arena } from './memory.ts';

/** What the GPU has not taken yet is kept by the driver, outside of any limit of ours; it is waited for after so many bytes. */
const inFlight = 64 * 2 ** 20;
/** Bytes of a piece that is not decoded. */
const pieceBytes = 8 * 2 ** 20;

/** @throws LabError `format` for numbers that are none */
export async function writeTensors(device: GPUDevice, arena: Arena, tensors: PolicyTensors): Promise<void> {
  let waiting = 0;
  for (const [name, { format, places }] of placesOf(arena.layout)) {
    let at = 0;
    for await (const bytes of encoded(tensors.get(name)!, format)) {
      for (const { part, offset, first, end } of places) {
        const [from, to] = [Math.max(first - at, 0), Math.min(end - at, bytes.length)];
        if (from < to) device.queue.writeBuffer(arena.buffers[part]!, offset + at + from - first, bytes.subarray(from, to));
      }
      at += bytes.length;
      waiting += bytes.length;
      if (waiting < inFlight) continue;
      waiting = 0;
      await device.queue.onSubmittedWorkDone();
    }
  }
}

/** Bytes `first` … `end` of a tensor lie in a buffer from byte `offset` on. */
interface Place {
  readonly part: number;
  readonly offset: number;
  readonly first: number;
  readonly end: number;
}

/** Where the tensors go, by name; a tensor goes to several places where its matrix is cut. */
function placesOf({ slots }: ArenaLayout): Map<string, { readonly format: WeightFormat; readonly places: Place[] }> {
  const found = new Map<string, { readonly format: WeightFormat; readonly places: Place[] }>();
  for (const { part, offset, format, sources } of slots.values()) {
    const bytes = format === 'f32' ? 4 : 2;
    for (const source of sources) {
      const known = found.get(source.name) ?? { format, places: [] };
      const first = source.first * bytes;
      known.places.push({ part, offset: offset * 4 + source.offset * bytes, first, end: first + source.length * bytes });
      found.set(source.name, known);
    }
  }
  return found;
}

async function* encoded(tensor: Tensor, format: WeightFormat): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (checkFormat(tensor) === format) yield* asStored(tensor, format);
  else if (format === 'bf16') throw new Error(`${tensor.name} is no bfloat16`);
  else for await (const numbers of finitePieces(tensor)) yield encode(format, numbers) as Uint8Array<ArrayBuffer>;
}

async function* asStored(tensor: Tensor, format: WeightFormat): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { bytes: size } = tensorFormats[format];
  const total = numberCount(tensor) * size;
  for (let at = 0; at < total; at += pieceBytes) {
    // Aligned for the check, whatever the file's own alignment is.
    const read = await tensor.read(at, Math.min(total, at + pieceBytes));
    const bytes = (read.byteOffset % 4 === 0 ? read : read.slice()) as Uint8Array<ArrayBuffer>;
    const place = noNumber(bytes, format);
    if (place >= 0) throw noPolicy(tensor, at / size + place, NaN);
    yield bytes;
  }
}

/** The first place of NaN or an infinity, by its exponent; -1 where there is none. */
function noNumber(bytes: Uint8Array, format: WeightFormat): number {
  const { buffer, byteOffset, byteLength } = bytes;
  const words =
    format === 'f32' ? new Uint32Array(buffer, byteOffset, byteLength / 4) : new Uint16Array(buffer, byteOffset, byteLength / 2);
  const exponent = { f32: 0x7f800000, bf16: 0x7f80, f16: 0x7c00 }[format];
  for (let i = 0; i < words.length; i++) if ((words[i]! & exponent) === exponent) return i;
  return -1;
}
