/** Options of every command that reads a file of questions; what they do is `question-sets.ts`, which a help text does not need to load. */
import type { OptionSpec } from './arguments.ts';

/** How a file of questions is read; of every command that reads one. */
export const columnOptions: Readonly<Record<string, OptionSpec>> = {
  'question-column': { value: 'NAME', help: 'the field that holds what is asked, of a file that is not recognised' },
  'answer-column': { value: 'NAME', help: 'the field that holds what is right' },
};
