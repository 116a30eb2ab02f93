/** The ways in which a reply can say its answer, by name, and those that go without saying. How they are found is `extract.ts`. */

/**
 * The ways in which a reply can say its answer. `boxed`: `\boxed{42}` · `answer-tag`: `<answer>42</answer>` · `hashes`: GSM8K's `#### 42` ·
 * `answer-is`: `the answer is 42`, `Answer: 42` · `choice`: the letter of a choice, `(C)` or a line that is `C` · `last-number`: the last number it
 * has, wherever it stands.
 */
export const answerForms = ['boxed', 'answer-tag', 'hashes', 'answer-is', 'choice', 'last-number'] as const;
export type AnswerForm = (typeof answerForms)[number];

/** Whether replies to a task are more than what these forms find of them. @param task of which it is known whether every answer is one whole number */
export const findTooLittle = ({ whole }: { readonly whole: boolean }, forms: readonly AnswerForm[]): boolean =>
  !whole && forms.every((form) => form === 'last-number');

/** Of the lab's own tasks, and of imported questions, where nothing else is asked for. */
export const usualAnswers: readonly AnswerForm[] = ['boxed'];
export const usualImportedAnswers: readonly AnswerForm[] = ['boxed', 'hashes'];
/** Wherever a policy says it that was never asked for a form. */
export const anyAnswer: readonly AnswerForm[] = ['boxed', 'hashes', 'answer-is', 'last-number'];
