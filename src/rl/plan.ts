/** What a run will need on the GPU, from the prompts of its first step: said, or refused, before the first token is drawn. */
import type { TrainerSetup } from './setup.ts';
import type { MemoryPlan } from '../engine/engine.ts';
import { renderPrompt } from '../persona/prompt.ts';
import { GroupSource } from './data.ts';
import { needsReference } from './objectives.ts';

/**
 * Null where the engine plans no memory. Later prompts may be longer; what they need is allocated when they come.
 * @throws LabError `webgpu` or `memory` naming what does not fit and the dial to turn
 */
export function planRun({ engine, tokenizer, personas, config, state, fits, sets }: TrainerSetup): MemoryPlan | null {
  if (!engine.planMemory) return null;
  const { promptsPerStep, groupSize, sampling, optim } = config;
  const limit = (tokenizer.maxLength ?? Infinity) - sampling.maxNewTokens;
  const groups = new GroupSource(config, personas, state.cursor, fits, sets).take(promptsPerStep);
  const lengths = groups.flatMap((group) =>
    group.personas.map((persona) => renderPrompt(tokenizer, persona?.text ?? null, group.question.text, limit).tokens.length),
  );
  return engine.planMemory({
    rows: promptsPerStep * groupSize,
    // A persona drawn for every rollout makes a prompt of its own.
    groups: lengths.length,
    width: Math.max(...lengths) + sampling.maxNewTokens,
    completionWidth: sampling.maxNewTokens,
    microBatchRows: optim.microBatchRows,
    withReference: needsReference(config, state.step),
  });
}
