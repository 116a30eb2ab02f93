/** What the page calls each objective, in the order they are listed. */
import type { ObjectiveName } from '../rl/config.ts';

export const objectiveTitles: Readonly<Record<ObjectiveName, string>> = {
  grpo: 'GRPO',
  dr_grpo: 'Dr. GRPO',
  dapo: 'DAPO',
  gspo: 'GSPO',
  cispo: 'CISPO',
  rloo: 'RLOO',
  reinforce: 'REINFORCE',
  sft: 'SFT',
};
