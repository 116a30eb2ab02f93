/** What the page can ask about policies: the bundled one, and the reader's own. Types only. */
import type { GivenFile } from '../policy/given.ts';
import type { RunConfig } from '../rl/config.ts';
import type { AdaptersRecord, PolicyFacts, PolicyOrigin, UnfinishedPolicy } from '../storage/policies.ts';
import type { StorageEstimate } from '../storage/quota.ts';

/** `page`: it comes with it; `visit`: until the page is closed. */
export type PolicyKeeping = 'page' | 'browser' | 'visit';

export interface PolicyInfo {
  readonly id: string;
  readonly name: string;
  readonly keeping: PolicyKeeping;
  /** Null: it comes with the page. */
  readonly from: PolicyOrigin | null;
  readonly facts: PolicyFacts;
  /** A run of it trains its base, and begins from them. Null: it is whole. */
  readonly adapters: AdaptersRecord | null;
  /** With the settings that suit it; null: those of every policy. */
  readonly recipes: Readonly<Record<string, RunConfig>> | null;
  /** Turns of the conversations that it was trained on, at most; null: not known. */
  readonly trainedTurns: number | null;
}

export interface PolicyList {
  /** The bundled one first, then the newest. */
  readonly policies: readonly PolicyInfo[];
  /** Fetched in part, and where to go on. */
  readonly unfinished: readonly (UnfinishedPolicy & { readonly arrived: number })[];
  readonly storage: StorageEstimate;
  /** Why own policies are kept until the page is closed and no longer, a sentence; null: they are kept. */
  readonly visitOnly: string | null;
}

export type PolicyPhase = 'checking' | 'fetching' | 'keeping' | 'reading';

export interface PolicyProgress {
  readonly phase: PolicyPhase;
  readonly file: string;
  /** Bytes of all files. */
  readonly done: number;
  readonly total: number;
}

export interface PolicyFetch {
  /** As typed: `owner/name@revision`. */
  readonly name: string;
  readonly base: string;
  /** For this fetching alone: it is neither stored nor told to anyone but the hub. */
  readonly token?: string | undefined;
}

export interface AddedPolicy {
  readonly policy: PolicyInfo;
  /** It was here before, under this name. */
  readonly known: boolean;
  /** What is to be said about where it is kept; null: nothing. */
  readonly said: string | null;
}

/** Adapters do not tell which of the policies here is their base. */
export interface BaseQuestion {
  /** What they are called. */
  readonly adapters: string;
  /** What their file calls the base; null: it says nothing. */
  readonly named: string | null;
  /** What is known, a sentence. */
  readonly said: string;
}

export interface PoliciesApi {
  policies(): Promise<PolicyList>;
  /** Null where `addPolicy`, or `fetchPolicy`, needs no `base`. `pausePolicy` stops it, too. */
  baseQuestion(from: readonly GivenFile[] | PolicyFetch): Promise<BaseQuestion | null>;
  /**
   * One that was picked or dropped, or PEFT's adapters of one. Nothing of it is left where it is refused, or `pausePolicy` was called.
   * @param base id of the policy that adapters are of; absent: the one that their file names
   */
  addPolicy(files: readonly GivenFile[], onProgress: (progress: PolicyProgress) => void, base?: string): Promise<AddedPolicy>;
  /** The same from a hub; goes on where an earlier fetching of the same stopped. What has arrived stays when it stops. */
  fetchPolicy(fetch: PolicyFetch, onProgress: (progress: PolicyProgress) => void, base?: string): Promise<AddedPolicy>;
  /** Stops what is on its way. */
  pausePolicy(): Promise<void>;
  /** Deletes what has arrived of one. */
  discardPolicy(folder: string): Promise<void>;
  /** Rejects while something that is under way uses it. */
  removePolicy(id: string): Promise<void>;
}
