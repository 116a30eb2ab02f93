/** What a verifier says of one completion. Types only. */
export interface Verdict {
  /** The scalar reward of RLVR: 1 right, 0 wrong. */
  readonly reward: number;
  readonly correct: boolean;
  /** The answer that was read from the completion; null where none was found. */
  readonly parsed: string | null;
  /** One short sentence for the rollout table: "41, expected 42", "no \\boxed answer". */
  readonly reason: string;
}
