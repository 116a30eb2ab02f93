/** One line of a `LinePlot` with what seeds span around it; null: nothing there. */
export interface Series {
  readonly label: string;
  readonly colour: string;
  /** As SVG has them; empty: solid. */
  readonly dashes: string;
  readonly x: readonly number[];
  readonly line: readonly (number | null)[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
}
