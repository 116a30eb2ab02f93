/** What every engine refuses before it computes: rows and prompts that do not fit the policy, named. */
import { LabError } from '../errors.ts';
import type { PolicyConfig } from '../policy/config.ts';
import type { TokenBatch } from './engine.ts';

/** @throws LabError `usage` naming the row */
export function checkBatch(batch: TokenBatch, config: PolicyConfig): void {
  const wrong = (what: string) => {
    throw new LabError('usage', what, 'Check the rows of the batch against the policy.');
  };
  for (let row = 0; row < batch.rows; row++) {
    const length = batch.lengths[row]!;
    const prompt = batch.promptLengths[row]!;
    if (prompt < 1) wrong(`Row ${row} has no prompt; log-probs need at least one token before them.`);
    if (length > batch.width || length < prompt)
      wrong(`Row ${row} has ${length} tokens, its prompt ${prompt}, the batch is ${batch.width} wide.`);
    if (length - prompt > batch.completionWidth)
      wrong(`Row ${row} has a completion of ${length - prompt} tokens in a batch of ${batch.completionWidth}.`);
    if (length > config.maxPositions) wrong(`Row ${row} has ${length} tokens, the policy reads at most ${config.maxPositions}.`);
    for (let i = 0; i < length; i++) {
      const token = batch.tokens[row * batch.width + i]!;
      if (token < 0 || token >= config.vocabSize)
        wrong(`Row ${row} holds the token ${token}, the vocabulary ends at ${config.vocabSize - 1}.`);
    }
  }
}

/** @throws LabError `usage` naming the prompt */
export function checkPrompts(prompts: readonly Int32Array[], config: PolicyConfig): void {
  prompts.forEach((prompt, index) => {
    if (prompt.length === 0) throw new LabError('usage', `Prompt ${index} is empty.`, 'Give it at least one token.');
    if (prompt.length >= config.maxPositions) {
      throw new LabError(
        'usage',
        `Prompt ${index} has ${prompt.length} tokens; the policy reads ${config.maxPositions}, completion included.`,
        'Shorten the prompt.',
      );
    }
    const wrong = prompt.find((token) => token < 0 || token >= config.vocabSize);
    if (wrong !== undefined) {
      throw new LabError(
        'usage',
        `Prompt ${index} holds the token ${wrong}.`,
        `The ids of this policy go from 0 to ${config.vocabSize - 1}.`,
      );
    }
  });
}
