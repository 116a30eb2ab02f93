/**
 * What a new run begins with: a policy as it is, or adapters that were trained elsewhere, on their base; and what keeps it from being begun.
 * How it is made is `new-run.ts`.
 */
import type { Adapters } from '../engine/engine.ts';
import type { Complaint } from '../errors.ts';
import { libraryOf } from '../persona/libraries.ts';
import { plainPlaces, specOf, type LoraSpec } from '../policy/adapters.ts';
import { checkConfig } from '../rl/check.ts';
import type { RunConfig } from '../rl/config.ts';
import type { Policies } from './policies.ts';
import { teacherComplaints } from './teacher.ts';

export interface Beginning {
  readonly config: RunConfig;
  /** On top of its policy; null: new ones, or none. */
  readonly adapters: Adapters | null;
  /** What its first checkpoint is called. */
  readonly name: string;
}

/** A run of adapters trains their base, and begins from them. @throws LabError as `Policies.load` */
export async function beginningOf(policies: Policies, config: RunConfig): Promise<Beginning> {
  const from = await policies.adaptersOf(config.policy);
  if (!from) return { config, adapters: null, name: 'Start' };
  return { config: { ...config, policy: from.base }, adapters: from.adapters, name: `Start, from ${from.name}` };
}

/** What keeps a run from being begun here; empty when nothing does. */
export async function newRunComplaints(policies: Policies, config: RunConfig, teacher?: string): Promise<readonly Complaint[]> {
  const problem = await policies.missing(config.policy);
  const missing = problem === null ? [] : [{ field: 'policy', problem }];
  return [...missing, ...runComplaints(config, teacher, await policies.loraOf(config.policy))];
}

/** What keeps these settings from being trained with. @param begun adapters that it begins with; null: none */
export function runComplaints(config: RunConfig, teacher?: string, begun: LoraSpec | null = null): readonly Complaint[] {
  return [
    ...checkConfig(config, libraryOf(config.library).personas),
    ...teacherComplaints(config, teacher),
    ...adaptersComplaints(config, begun),
  ];
}

/** They bring what is said of LoRA. */
function adaptersComplaints({ lora }: RunConfig, begun: LoraSpec | null): Complaint[] {
  const said = (spec: LoraSpec | null) => JSON.stringify(spec && specOf(plainPlaces(spec)));
  if (!begun || said(lora) === said(begun)) return [];
  const { rank, alpha, targets = 'all', layers = 'all' } = begun;
  const own = `rank ${rank}, alpha ${alpha}, projections: ${String(targets)}, layers: ${String(layers)}`;
  return [{ field: 'lora', problem: `A run that begins from adapters keeps what they have (${own}).` }];
}
