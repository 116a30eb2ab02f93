/** What the worker exposes to its client: the api, and the one thing only the client needs. Types only. */
import type { TrainerApi } from './api.ts';

export interface TrainerHost extends TrainerApi {
  /** @param pageUrl the folder the page is served from; policies are fetched from there */
  belongTo(pageUrl: string): Promise<void>;
}
