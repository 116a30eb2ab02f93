/**
 * How a run asks its policy and reads what it says, beside the words of the questions: the fields of a configuration that may be left out, and
 * what they are then. A configuration of before they were there leaves them all out. What they do is elsewhere: `persona/libraries.ts`,
 * `policy/template-settings.ts`, `tasks/instruction.ts`, `verify/extract.ts`.
 */
import type { Asking } from '../evaluate/asking.ts';
import type { Library } from '../persona/library-names.ts';
import { defaultTemplateSettings, type NoSystem, type SystemPlace, type TemplateSettings } from '../policy/template-settings.ts';
import { usualAnswers, type AnswerForm } from '../verify/answer-forms.ts';

export interface AskingSettings {
  /** Whose personas the mix and the held-out questions draw from: one of the lab's libraries, or the reader's own, whole. */
  readonly library?: Library;
  /** What "no persona" is. */
  readonly noPersona?: NoSystem;
  /** Where a persona goes in a chat template that knows no system role. */
  readonly noSystemRole?: SystemPlace;
  /** Under every question, in training and in the held-out questions; empty: nothing. */
  readonly instruction?: string;
  /** How a reply may say its answer, in the order in which it is looked for. */
  readonly answers?: readonly AnswerForm[];
  /** What the policy's chat template is told beside the messages, by name: `{ "enable_thinking": false }`. */
  readonly templateArguments?: TemplateSettings['arguments'];
}

/** What of it decides a prompt, beside the words of persona and question. */
export type TemplateAsking = Pick<AskingSettings, 'noPersona' | 'noSystemRole' | 'templateArguments'>;

/** Nothing but that. */
export const templateAsking = ({ noPersona, noSystemRole, templateArguments }: AskingSettings): TemplateAsking =>
  withoutUsual({ noPersona, noSystemRole, templateArguments } as AskingSettings);

/** What is left out. */
export const usualAsking = {
  library: 'world',
  noPersona: defaultTemplateSettings.noSystem,
  noSystemRole: defaultTemplateSettings.systemPlace,
  instruction: '',
  answers: usualAnswers,
  templateArguments: defaultTemplateSettings.arguments,
} as const satisfies Required<AskingSettings>;

/** All of it. */
export function askingOf({
  library,
  noPersona,
  noSystemRole,
  instruction,
  answers,
  templateArguments,
}: AskingSettings): Required<AskingSettings> {
  return {
    library: library ?? usualAsking.library,
    noPersona: noPersona ?? usualAsking.noPersona,
    noSystemRole: noSystemRole ?? usualAsking.noSystemRole,
    instruction: instruction ?? usualAsking.instruction,
    answers: answers ?? usualAsking.answers,
    templateArguments: templateArguments ?? usualAsking.templateArguments,
  };
}

/** Without what goes without saying, so that two configurations that ask alike are alike. */
export function withoutUsual<T extends AskingSettings>(config: T): T {
  const usual = Object.entries(usualAsking);
  const said = Object.entries(config).filter(
    ([key, value]) =>
      value !== undefined && !usual.some(([name, other]) => name === key && JSON.stringify(other) === JSON.stringify(value)),
  );
  return Object.fromEntries(said) as T;
}

/** How a run is asked, without the rest of its configuration. */
export const askingIn = ({ library, noPersona, noSystemRole, instruction, answers, templateArguments }: AskingSettings): AskingSettings =>
  withoutUsual({ library, noPersona, noSystemRole, instruction, answers, templateArguments } as AskingSettings);

/** As reports name it. */
export function askedOf(config: AskingSettings): Asking {
  const { instruction, answers } = askingOf(config);
  return { ...defaultTemplateSettings, ...templateSettings(config), instruction, answers };
}

/** What the run tells its policy's chat template. */
export function templateSettings(config: TemplateAsking): Partial<TemplateSettings> {
  const { noPersona, noSystemRole, templateArguments } = askingOf(config);
  return { arguments: templateArguments, noSystem: noPersona, systemPlace: noSystemRole };
}
