/** A run's settings in the words of scripts/peers/grpo.py, which hands them to TRL. */
import type { RunConfig } from '../../src/rl/config.ts';

export function settingsOf({ promptsPerStep, groupSize, objective, sampling, optim }: RunConfig): Readonly<Record<string, unknown>> {
  const { temperature, maxNewTokens } = sampling;
  const { name: loss, beta, epsilonLow, epsilonHigh } = objective;
  return { prompts: promptsPerStep, group: groupSize, temperature, maxNewTokens, loss, beta, epsilonLow, epsilonHigh, ...optim };
}
