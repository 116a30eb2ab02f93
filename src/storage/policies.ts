/** What is recorded of the reader's own policies. Their files lie in folders (`folders.ts`); a policy is here when its record is, which is written last. */

import type { LoraSpec } from '../policy/adapters.ts';
import type { PolicyConfig } from '../policy/config.ts';

/** Where it came from, so that it can be had again. */
export type PolicyOrigin =
  | { readonly kind: 'files'; readonly name: string }
  | {
      readonly kind: 'hub';
      readonly base: string;
      readonly name: string;
      readonly revision: string;
      readonly file: string | null;
      /** What the revision was; null where the hub did not say. */
      readonly commit: string | null;
    };
export type HubOrigin = Extract<PolicyOrigin, { kind: 'hub' }>;

/** What a chooser shows. */
export interface PolicyFacts {
  readonly family: PolicyConfig['family'];
  readonly parameters: number;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  /** As its numbers are stored: `BF16`, `Q4_1, Q8_0`. */
  readonly format: string;
  /** Of all its files. */
  readonly bytes: number;
  /** As its card says it; null where none does. */
  readonly licence: string | null;
  /** What its files say that cannot be, and what is to be known before it is used. */
  readonly notices: readonly string[];
}

export interface StoredFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** Of LoRA adapters, whose files alone lie in their folder. */
export interface AdaptersRecord {
  /** Id of the policy that they are of, and what it was called. */
  readonly base: string;
  readonly baseName: string;
  readonly lora: LoraSpec;
}

export interface PolicyRecord {
  /** A readable name, and a part of the hash of its files: the same files have the same end of it everywhere. */
  readonly id: string;
  readonly name: string;
  readonly folder: string;
  readonly added: number;
  readonly from: PolicyOrigin;
  readonly files: readonly StoredFile[];
  /** With adapters those of the two as one, but for the bytes. */
  readonly facts: PolicyFacts;
  /** Absent: it is whole. */
  readonly adapters?: AdaptersRecord | undefined;
}

/** One that is being fetched, or was left in the middle. */
export interface UnfinishedPolicy {
  readonly folder: string;
  readonly begun: number;
  readonly from: HubOrigin;
  readonly bytes: number;
  readonly files: readonly { readonly path: string; readonly size: number; readonly tag: string | null }[];
}

const shownHashLength = 12;

/** @param hash of its files, hexadecimal */
export function policyId(name: string, hash: string): string {
  const readable = name
    .normalize('NFKD')
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 60);
  return `${readable || 'policy'}~${hash.slice(0, shownHashLength)}`;
}

/** Whether a policy is the one that an id names: the same files, whatever they are called there; or, without a hash, one of that name. */
export function namesPolicy(id: string, record: Pick<PolicyRecord, 'id' | 'name'>): boolean {
  const hashOf = (one: string) => /~([0-9a-f]{12})$/.exec(one)?.[1];
  const hash = hashOf(id);
  return hash === undefined ? id === record.name || id === record.id : hash === hashOf(record.id);
}

/** What a reader would call it: an id without its hash. */
export const readablePolicy = (id: string): string => id.replace(/~[0-9a-f]{12}$/, '');
