/** How `permix verify --extract` calls the forms of an answer. */
import type { AnswerForm } from '../verify/answer-forms.ts';

export const extractNames: Readonly<Record<string, AnswerForm>> = {
  boxed: 'boxed',
  tag: 'answer-tag',
  hash: 'hashes',
  final: 'answer-is',
  choice: 'choice',
  last: 'last-number',
};
