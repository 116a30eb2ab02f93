/**
 * The persona lottery: how good the best of k personas is, if k are drawn at random. A steep curve says that accuracy is a matter of
 * which persona one happens to try; a flat one that it is not. The paper shows such a curve (arXiv 2604.08986, figure 1);
 * the closed form is this project's.
 */
import { LabError } from '../errors.ts';

/**
 * E[max of k personas drawn without replacement], k = 1 .. n, from the order statistics: with a_(1) <= … <= a_(n)
 * it is sum over i = k .. n of a_(i) C(i-1, k-1) / C(n, k). The first is the mean, the last the maximum.
 * @returns [n]
 * @throws LabError 'config' without any accuracy
 */
export function lotteryCurve(accuracies: readonly number[]): number[] {
  const n = accuracies.length;
  if (n === 0) throw new LabError('config', 'A persona lottery needs at least one persona.', 'Choose personas.');
  const ascending = accuracies.toSorted((a, b) => a - b);
  return ascending.map((_, index) => {
    const k = index + 1;
    // The chance that rank i is the best of k, from the top down: k/n, and each rank below (i-k)/(i-1) of the one above.
    let chance = k / n;
    let expected = 0;
    for (let i = n; i >= k; i--) {
      expected += chance * ascending[i - 1]!;
      chance *= (i - k) / (i - 1);
    }
    return expected;
  });
}
