/** How much of a policy has been read: its tensors, telling of every read for as long as somebody wants to know. */
import type { Tensor } from './tensor.ts';
import type { PolicyTensors } from './weights.ts';

/**
 * @param tell the share of all bytes that have been read, 0..1; of what is read twice no more than once over
 * @returns the same tensors, and what ends the telling: what is read later, when a state goes back to them, is not told
 */
export function countedReads(
  tensors: PolicyTensors,
  tell: (fraction: number) => void,
): { readonly weights: PolicyTensors; readonly end: () => void } {
  const total = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  let read = 0;
  let ended = false;
  const counted = (tensor: Tensor): Tensor => ({
    ...tensor,
    read: async (from, to) => {
      const bytes = await tensor.read(from, to);
      if (!ended) tell(Math.min(1, (read += to - from) / total));
      return bytes;
    },
  });
  return { weights: new Map([...tensors].map(([name, tensor]) => [name, counted(tensor)])), end: () => void (ended = true) };
}
