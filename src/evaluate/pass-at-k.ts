/** pass@k: the chance that at least one of k samples is right. A pure function on counts; which samples were drawn is not its business. */
import { mean } from '../statistics/moments.ts';
import { LabError } from '../errors.ts';

/**
 * The unbiased estimate 1 - C(n-c, k) / C(n, k) from n samples of which c are right (Chen et al. 2021, arXiv 2107.03374), as the
 * product of (1 - k/i) over i = n-c+1 .. n, which does not overflow.
 * @throws LabError 'config' unless 1 <= k <= n and 0 <= c <= n
 */
export function passAtK(n: number, c: number, k: number): number {
  if (!(Number.isInteger(n) && Number.isInteger(c) && Number.isInteger(k) && k >= 1 && k <= n && c >= 0 && c <= n)) {
    throw new LabError(
      'config',
      `pass@${k} cannot be estimated from ${n} samples with ${c} right.`,
      'Take k from 1 to the number of samples.',
    );
  }
  if (n - c < k) return 1;
  let miss = 1;
  for (let i = n - c + 1; i <= n; i++) miss *= 1 - k / i;
  return 1 - miss;
}

/** The mean over problems. @param correct [N] right samples of each problem, of `samples` */
export function meanPassAtK(correct: readonly number[], samples: number, k: number): number {
  if (correct.length === 0) throw new LabError('config', `pass@${k} needs at least one problem.`, 'Choose more problems.');
  return mean(correct.map((c) => passAtK(samples, c, k)));
}

/** 1, 2, 4, … and the number of samples itself. */
export function passLevels(samples: number): number[] {
  const levels: number[] = [];
  for (let k = 1; k < samples; k *= 2) levels.push(k);
  return [...levels, samples];
}
