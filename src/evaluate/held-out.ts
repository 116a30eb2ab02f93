/**
 * A small examination of the policy while it trains, on questions that training never asks: without a persona and under one persona of
 * every voice, the same questions for all, greedy, so that two runs and two steps can be compared cell by cell. Here is what it consists of,
 * when it is due and what its numbers mean; it is asked by `held-out-questions.ts`. The large one, with its statistics, is `evaluate.ts`.
 */
import type { Persona } from '../persona/persona.ts';
import type { RunConfig } from '../rl/config.ts';
import { shuffledNull } from './resample.ts';
import { stability, type SolveTable } from './stability.ts';

/** The row that has no persona. */
export const noneRow = 'none';

export interface HeldOutRow {
  /** `none`, a voice, or a persona that has no voice. */
  readonly id: string;
  readonly persona: Persona | null;
}

export interface HeldOutReply {
  readonly question: string;
  readonly answer: string;
  readonly text: string;
  readonly correct: boolean;
  /** The answer that was found, and why it counts as it does. */
  readonly parsed: string | null;
  readonly reason: string;
  /** Whether it carries the markers of its persona's voice (style.ts); absent where there are none to carry. */
  readonly inVoice?: boolean;
}

/** What the policy of one step said. Every row was asked the same questions, in this order. */
export interface HeldOutEvaluation {
  /** Steps done. */
  readonly step: number;
  readonly rows: readonly { readonly row: string; readonly personaId: string | null; readonly replies: readonly HeldOutReply[] }[];
  readonly seconds: number;
}

/**
 * `eval/…` of one evaluation: shares in [0, 1]; worst, mean and PSS are over the personas, of which "none" is not one (docs/evaluation.md);
 * `eval/voice` is the share of replies under a persona that sound like it.
 */
export type HeldOutMetrics = Readonly<Record<`eval/${string}`, number>>;

const shuffles = 200;
const shuffleSeed = 1;
/** Beyond this a map of rows is no longer read at a glance, and the questions cost too much. */
const maxRows = 8;

/** Of a step that a run has reached. */
export function evaluationDue({ heldOut, steps }: Pick<RunConfig, 'heldOut' | 'steps'>, step: number): boolean {
  return heldOut.questions > 0 && (step === steps || step % heldOut.every === 0);
}

/**
 * No persona first; then one persona of every voice, or a persona without a voice for itself. Which of its voice is in turn, so that the rows
 * are a sample of the library's good and bad ones and not all of one kind; of more than a map can show they are spread over the library.
 */
export function heldOutRows(personas: readonly Persona[]): HeldOutRow[] {
  const groups = new Map<string, Persona[]>();
  for (const persona of personas) {
    const id = persona.voice ?? persona.id;
    groups.set(id, [...(groups.get(id) ?? []), persona]);
  }
  // A stride that meets all of five, as of most numbers, in turn.
  const rows = [...groups].map(([id, those], i) => ({ id, persona: those[(3 * i) % those.length]! }));
  const most = Math.min(maxRows, rows.length);
  const spread = Array.from({ length: most }, (_, i) => rows[Math.floor((i * rows.length) / most)]!);
  return [{ id: noneRow, persona: null }, ...spread];
}

/** Right and asked by row. */
export function heldOutCounts({ rows }: HeldOutEvaluation): { readonly row: string; readonly right: number; readonly asked: number }[] {
  return rows.map(({ row, replies }) => ({ row, right: replies.filter(({ correct }) => correct).length, asked: replies.length }));
}

/** What the personas together say; null where fewer than two were asked. */
export function heldOutTable({ rows }: HeldOutEvaluation): SolveTable | null {
  const correct = rows.filter(({ row }) => row !== noneRow).map(({ replies }) => replies.map((reply) => Number(reply.correct)));
  return correct.length < 2 || correct[0]!.length === 0 ? null : { correct, samples: 1 };
}

/** Rows of personas, and those of them whose voice has markers, which alone `eval/voice` is of. */
export function voicedRows({ rows }: Pick<HeldOutEvaluation, 'rows'>): { readonly asked: number; readonly told: number } {
  const asked = rows.filter(({ row }) => row !== noneRow);
  return { asked: asked.length, told: asked.filter(({ replies }) => replies.some(({ inVoice }) => inVoice !== undefined)).length };
}

export function heldOutMetrics(evaluation: HeldOutEvaluation): HeldOutMetrics {
  const counts = heldOutCounts(evaluation);
  const share = new Map(counts.map(({ row, right, asked }) => [row, right / asked]));
  const table = heldOutTable(evaluation);
  const together = table && stability(table, null);
  const spoken = evaluation.rows.flatMap(({ replies }) => replies.flatMap(({ inVoice }) => (inVoice === undefined ? [] : [inVoice])));
  return {
    ...Object.fromEntries([...share].map(([row, value]) => [`eval/accuracy/${row}`, value])),
    ...(share.has(noneRow) ? { 'eval/none': share.get(noneRow)! } : {}),
    // PSS of few questions is biased low: beside it what chance alone would show.
    ...(together && table
      ? {
          'eval/worst': together.min,
          'eval/mean': together.mean,
          'eval/pss': together.pss,
          'eval/pss_null': shuffledNull(table, shuffleSeed, shuffles).mean,
        }
      : {}),
    ...(spoken.length > 0 ? { 'eval/voice': spoken.filter(Boolean).length / spoken.length } : {}),
  };
}
