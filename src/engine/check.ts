/** What every engine refuses before it computes: rows and prompts that do not fit the policy, named. */
import { LabError } from '../errors.ts';
import type { PolicyConfig } from '../policy/config.ts';
import type { Rollouts, TokenBatch } from './engine.ts';

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

/**
 * Logits [V] that a policy can have meant.
 * @throws LabError `numeric` for those that are no numbers, or all the same: a failed operation, or weights that are zero
 */
export function checkLogits(logits: Float32Array): void {
  const wrong = logits.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw meaningless(`The logit of token ${wrong} is ${logits[wrong]}`);
  if (logits.length > 1 && logits.every((value) => value === logits[0])) throw meaningless(`All logits are ${logits[0]}`);
}

/** @throws LabError `numeric` naming the row whose distribution was none */
export function checkRollouts<T extends Rollouts>(rollouts: T): T {
  const { rows, completionWidth, logprobs, entropies, promptLengths, lengths } = rollouts;
  for (let row = 0; row < rows; row++) {
    for (let t = 0; t < lengths[row]! - promptLengths[row]!; t++) {
      const at = row * completionWidth + t;
      if (Number.isFinite(logprobs[at]) && Number.isFinite(entropies[at])) continue;
      throw meaningless(`Token ${t} of row ${row} was drawn with a log-prob of ${logprobs[at]} from an entropy of ${entropies[at]}`);
    }
  }
  return rollouts;
}

/** @throws LabError `numeric` where every token of the vocabulary was as likely as any other, at every place */
export function checkChoice({ rows, completionWidth, entropies, promptLengths, lengths }: Rollouts, vocabSize: number): void {
  const most = Math.log(vocabSize);
  let places = 0;
  for (let row = 0; row < rows; row++) {
    for (let t = 0; t < lengths[row]! - promptLengths[row]!; t++, places++) {
      if (Math.abs(entropies[row * completionWidth + t]! - most) > 1e-6 * most) return;
    }
  }
  if (places > 0 && vocabSize > 1) throw meaningless('Every token was as likely as any other, at every place');
}

function meaningless(what: string): LabError {
  return new LabError(
    'numeric',
    `${what}, so the policy says nothing.`,
    'Check its weights; where another engine or backend says otherwise, this one failed: permix doctor checks it.',
  );
}
