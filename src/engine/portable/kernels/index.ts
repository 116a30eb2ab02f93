/** The operations of reinforcement learning that tfjs does not have. Importing this registers them for `cpu` and `wasm`. */
export { clippedLoss, type ClippedLossInputs } from './clipped-loss.ts';
export { groupAdvantage } from './group-advantage.ts';
export { sampleTokens } from './sampler.ts';
export { tokenLogprob, tokenLogprobForward, tokenLogprobGradient, type TokenLogprobs } from './token-logprob.ts';
