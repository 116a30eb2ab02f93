/** What the worker exposes to its client: the api, and what only the client needs. Types only. */
import type { TrainerApi } from './api.ts';

export interface TrainerHost extends TrainerApi {
  /** @param pageUrl the folder the page is served from; policies are fetched from there */
  belongTo(pageUrl: string): Promise<void>;
  /** The page was hidden and may be discarded: a running run takes a checkpoint at its next step. */
  saveSoon(): Promise<void>;
  /** Answers: the worker is alive and between two pieces of work. */
  ping(): Promise<void>;
}
