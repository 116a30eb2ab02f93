/** What is added to the verifier's verdict before advantages are taken. It is not the verdict (`verify/`). */

/**
 * DAPO's soft overlong punishment (Yu et al. 2025, eq. 13): 0 up to `limit - buffer` tokens, down to -1 at `limit`.
 * @param buffer width of the ramp in tokens; 0 is off
 */
export function softOverlong(length: number, limit: number, buffer: number): number {
  if (buffer === 0 || length <= limit - buffer) return 0;
  return length > limit ? -1 : (limit - buffer - length) / buffer;
}

/**
 * Sum over each row's counted tokens of the k1 estimate, logp - logp of the reference (TRL's RLOO).
 * @param logprobs [R, C] @param reference [R, C] @param mask [R, C] @returns [R]
 */
export function sequenceKl(logprobs: Float32Array, reference: Float32Array, mask: Uint8Array, rows: number): Float64Array {
  const width = mask.length / rows;
  const out = new Float64Array(rows);
  for (let i = 0; i < mask.length; i++) if (mask[i]) out[Math.floor(i / width)]! += logprobs[i]! - reference[i]!;
  return out;
}
