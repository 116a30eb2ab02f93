/**
 * A data set as questions that can be asked and judged: `tasks/sets/` reads its rows, the verifier says which gold answers can be compared. What
 * cannot be asked or judged is left out, counted and named by its lines; which questions are asked in the end is `questions.ts` and `plan.ts`.
 */
import { LabError } from '../errors.ts';
import type { SetFile } from '../tasks/sets/bytes.ts';
import type { Columns } from '../tasks/sets/columns.ts';
import { mostSetText } from '../tasks/sets/imported.ts';
import { readSet, refuseUnusable, type SetSummary } from '../tasks/sets/read.ts';
import type { ImportedQuestion, ImportedSet } from '../tasks/source.ts';
import { goldAnswer, isCheckable } from '../verify/verify.ts';

export interface QuestionFile {
  readonly set: ImportedSet;
  readonly summary: SetSummary;
}

export interface QuestionFileOptions {
  /** The reader's choice; absent: recognised by the names of the fields. */
  readonly columns?: Columns;
  /** Whether rows that are broken, or ask nothing, are left out like those without an answer; otherwise the first of them refuses the file. */
  readonly skipBroken?: boolean;
  readonly signal?: AbortSignal;
  /** Bytes read so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** What a file holds, without keeping its questions. @throws LabError as `readSet` */
export function checkQuestions(file: SetFile, options: QuestionFileOptions & Pick<Parameters<typeof readSet>[1], 'onQuestion'> = {}) {
  return readSet(file, { ...options, checkable: isCheckable });
}

/** @throws LabError 'format' naming file and line where a row is broken, where no question is left, and where there is more than memory should hold */
export async function readQuestions(file: SetFile, options: QuestionFileOptions = {}): Promise<QuestionFile> {
  const questions: ImportedQuestion[] = [];
  let characters = 0;
  const summary = await checkQuestions(file, {
    ...options,
    onQuestion: ({ line, asked, gold: whole }) => {
      const gold = goldAnswer(whole);
      questions.push({ asked, gold });
      characters += asked.length + gold.length;
      if (characters <= mostSetText) return;
      throw new LabError(
        'format',
        `${file.name} has more than ${mostSetText / 1e6} million characters of questions by line ${line}.`,
        'Take a part of it: its first lines, or questions of one kind.',
      );
    },
  });
  refuseUnusable(summary, options.skipBroken === true);
  return { set: { kind: summary.kind!, questions }, summary };
}

/** A text that is there whole. @param name for sentences */
export function textFile(text: string, name: string): SetFile {
  const bytes = new TextEncoder().encode(text);
  return {
    name,
    size: bytes.length,
    async *bytes() {
      yield bytes;
    },
  };
}
