/** What the page calls the settings of how a run is asked, and the orders of answers that it offers. */
import { libraryTitle } from '../../persona/library-names.ts';
import type { NoSystem, SystemPlace } from '../../policy/template-settings.ts';
import { withoutUsual, type AskingSettings } from '../../rl/asking.ts';
import { anyAnswer, usualAnswers, usualImportedAnswers, type AnswerForm } from '../../verify/answer-forms.ts';

export const askingLabels: Readonly<Record<keyof AskingSettings, string>> = {
  library: 'Personas of',
  noPersona: 'No persona is',
  noSystemRole: 'Without a system role',
  instruction: 'Under every question',
  answers: 'An answer is',
  templateArguments: 'The chat template is told',
};

export const noPersonaWords: Readonly<Record<NoSystem, string>> = {
  template: 'the template’s own prompt',
  empty: 'an empty system message',
  absent: 'no system message',
};

export const noSystemRoleWords: Readonly<Record<SystemPlace, string>> = {
  refuse: 'personas are refused',
  user: 'they stand before the question',
};

/** From the strictest to whatever is there. */
export const answerOrders: readonly (readonly AnswerForm[])[] = [
  usualAnswers,
  usualImportedAnswers,
  ['hashes'],
  ['answer-is', 'last-number'],
  anyAnswer,
  ['last-number'],
];

const words: Readonly<Record<AnswerForm, string>> = {
  boxed: '\\boxed{…}',
  'answer-tag': '<answer>…</answer>',
  hashes: '#### …',
  choice: 'a choice’s letter',
  'answer-is': '“answer is …”',
  'last-number': 'the last number',
};

export const orderWords = (order: readonly AnswerForm[]): string => order.map((form) => words[form]).join(', else ');

/** How a run is asked, as far as it does not go without saying; empty where all of it does. `, under mine.json, an answer is the last number` */
export function askedWords(config: AskingSettings): string {
  const said = withoutUsual(config);
  const parts: Readonly<Record<keyof AskingSettings, string | undefined>> = {
    library: said.library && `under ${libraryTitle(said.library)}`,
    noPersona: said.noPersona && `no persona is ${noPersonaWords[said.noPersona]}`,
    noSystemRole: said.noSystemRole && `without a system role ${noSystemRoleWords[said.noSystemRole]}`,
    instruction: said.instruction && `under every question “${said.instruction}”`,
    answers: said.answers && `an answer is ${orderWords(said.answers)}`,
    templateArguments: said.templateArguments && `the chat template is told ${JSON.stringify(said.templateArguments)}`,
  };
  return Object.values(parts)
    .flatMap((part) => (part === undefined ? [] : [`, ${part}`]))
    .join('');
}
