import type { GenerateProgress, GenerateRequest, Rollouts } from '../engine.ts';
import type { Decoder } from './decoder.ts';
import type { Parameters } from './parameters.ts';
export async function generate(
  _decoder: Decoder,
  _parameters: Parameters,
  _request: GenerateRequest,
  _onProgress?: (progress: GenerateProgress) => void,
): Promise<Rollouts> {
  throw new Error('not there yet');
}
