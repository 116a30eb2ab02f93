/**
 * The gradient of many logits, as a head meets it: a token that was chosen early in the vocabulary, and thousands of others that it would rather
 * not have been, each of them too small for a running sum in float32, together as large. Rows of W have something in common.
 */
import { normals } from './numbers.ts';

/** dy [rows, out], W [out, inside], and dy W in float64. */
export function swallowed(rows: number, out: number, inside: number) {
  const dy = Float32Array.from({ length: rows * out }, (_, at) => (at % out === 2 ? -1 : (1 + Math.sin(at)) * 1e-8));
  const w = Float32Array.from(normals(out * inside, 7, 0.3, 1));
  const expected = new Float64Array(rows * inside);
  for (let row = 0; row < rows; row++)
    for (let v = 0; v < out; v++) for (let j = 0; j < inside; j++) expected[row * inside + j]! += dy[row * out + v]! * w[v * inside + j]!;
  return { dy, w, expected };
}
