/** How many replies the voice classifier learns from. What it is counted with (`cells.ts`) and planned with (`plan.ts`) know it from here, and not from each other. */

/** Training replies per persona and kind, for each one that is measured. */
export const trainingFactor = 2;
