/** An instruction under a question: how the answer is to be given. What the question is and which answer is right do not change by it. */
import type { Question } from './question.ts';

/** Asks for what a verifier reads first. */
export const boxedInstruction = 'Reason step by step, and put your final answer within \\boxed{}.';

/** @param instruction empty for none */
export function instructed(question: Question, instruction: string): Question {
  return instruction === '' ? question : { ...question, text: `${question.text}\n${instruction}` };
}
