/**
 * How the time that there is gets divided: each stage has a share of what is left, and one whose least rounds would not fit is left out. What a stage
 * costs at least is told from what was measured before it, so that a slow adapter gets fewer and smaller rows and a fast one more of them. Pure.
 */

export interface Share {
  /** Of all that is still to come, this stage included. */
  readonly weight: number;
  readonly ahead: number;
  /** Milliseconds of its least rounds; null: nobody can tell yet. */
  readonly least: number | null;
  /** Milliseconds that are left for everything. */
  readonly left: number;
}

/** @returns milliseconds after which the stage has enough at three repeats; null where it would take more than is left */
export function patienceOf({ weight, ahead, least, left }: Share): number | null {
  if (least !== null && least > left) return null;
  return Math.max(0, (left * weight) / ahead);
}

/** Rounds at least: one that compiles, and three that count. */
export const leastRounds = 4;

/**
 * Milliseconds that the least rounds of a training step take, all contenders together, at the rate of one that was measured: more than it will be, because
 * a small step fills no adapter.
 * @param round milliseconds of a step of all contenders  @param flops of that step, and of the one that is asked about
 */
export const leastOfSteps = (round: number, flops: number, asked: number): number => (leastRounds * round * asked) / flops;

/** Of rollouts: twice as many rows are drawn in at most twice the time, and a token more is a token more. @param round milliseconds of all contenders */
export const leastOfRollouts = (round: number, tokens: number, asked: number): number => ((leastRounds + 1) * round * asked) / tokens;
