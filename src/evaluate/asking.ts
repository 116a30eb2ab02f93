/** How policies are asked and their replies read, beside the words of the questions: what every report of a Persona Stability Score names. */
import { noSuch } from '../errors.ts';
import type { TemplateSettings } from '../policy/template-settings.ts';
import type { NoSystem } from '../policy/template-settings.ts';
import type { AnswerForm } from '../verify/answer-forms.ts';

export interface Asking extends TemplateSettings {
  /** Under every question; empty: nothing. */
  readonly instruction: string;
  /** How a reply may say its answer, in the order in which it is looked for. */
  readonly answers: readonly AnswerForm[];
}

/** Two or three sentences. */
export function askingSentence({ noSystem, systemPlace, arguments: told, date, instruction, answers }: Asking): string {
  const place = systemPlace === 'user' ? ' Where the chat template knows no system role, a persona stands before the question.' : '';
  const names = Object.keys(told).length > 0 ? ` The chat template is told ${JSON.stringify(told)}, and that it is ${date}.` : '';
  const under = instruction === '' ? 'Nothing stands under a question' : `Under every question stands “${instruction}”`;
  return `“No persona” is ${noPersonaWords(noSystem)}.${place}${names} ${under}; ${answersWords(answers)}.`;
}

function noPersonaWords(noSystem: NoSystem): string {
  switch (noSystem) {
    case 'template':
      return 'what the chat template writes where there is no system message';
    case 'empty':
      return 'an empty system message';
    case 'absent':
      return 'no system message at all';
    default:
      return noSuch('kind of chat without a system message', noSystem);
  }
}

/** `an answer is \boxed{…}, or else the last number` */
export function answersWords(answers: readonly AnswerForm[]): string {
  return `an answer is ${answers.map(formWords).join(', or else ')}`;
}

export function formWords(form: AnswerForm): string {
  switch (form) {
    case 'boxed':
      return '\\boxed{…}';
    case 'answer-tag':
      return '<answer>…</answer>';
    case 'hashes':
      return '#### …';
    case 'choice':
      return 'the letter of a choice';
    case 'answer-is':
      return 'what follows “answer is”';
    case 'last-number':
      return 'the last number';
    default:
      return noSuch('form of an answer', form);
  }
}
