/** What the engine calls; src/engine/wasm/kernels.d.ts is made of it. Addresses and steps are bytes, lengths are numbers. */
export { multiplyColumns, multiplyRowPacked, multiplyRows } from './product';
export { keepColumns, packColumns, packFours, packRows, turnPanels, unpackPanels, unpackRows } from './pack';
export { attend, attendBackward, attendNext, packKeys, packValues } from './attention';
export { rmsNorm, rmsNormBackward } from './rms-norm';
export { turn, turnBackward } from './turn';
export { packBlocks } from './blocks';
export { gated, gatedBackward } from './gated';
export { add, addColumns, addRows, embed, embedBackward, fill, gatherRows, scale } from './rows';
export { tokenLogprob, tokenLogprobBackward } from './head';
export { sample } from './sampler';
export { adamW, sumOfSquares } from './optimiser';

/** Where memory begins that the kernels do not use themselves. */
export function firstFree(): usize {
  return __heap_base;
}
