/** Quantiles of a list of numbers. */

/** Linear between order statistics (type 7 of Hyndman and Fan 1996). @param sorted ascending, not empty  @param share in [0, 1] */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (at - Math.floor(at)) * (sorted[Math.ceil(at)]! - low);
}
