/**
 * What the page's runs and examinations are recognised by when they are continued. The parts and their comparison are `run/identity.ts`;
 * here is where they come from in a page: the bundled policy, stored checkpoints, the engine of this tab.
 */
import { LabError } from '../errors.ts';
import { libraryOf } from '../persona/libraries.ts';
import { absent } from '../policy/fingerprint.ts';
import { sha256 } from '../policy/sha256.ts';
import { templateSettings } from '../rl/asking.ts';
import type { RunConfig } from '../rl/config.ts';
import {
  changesOf,
  continued,
  named,
  runIdentity,
  runMayDiffer,
  type Changes,
  type Comparison,
  type Identity,
  type Origin,
} from '../run/identity.ts';
import type { CheckpointInfo, EvaluatedPolicy, RunRecord, Teacher } from '../storage/records.ts';
import type { LabStorage } from '../storage/storage.ts';
import type { Bench } from './bench.ts';

interface Tools {
  readonly storage: LabStorage;
  readonly bench: Bench;
}

/** As it would be trained here and now. */
export async function runNow({ storage, bench }: Tools, config: RunConfig, teacher: Teacher | undefined): Promise<Identity> {
  const taught = teacher && named({ teacher: (await findCheckpoint(storage, teacher.checkpoint))?.hash ?? absent });
  const policy = await bench.policy(config.policy);
  return runIdentity({
    policy: { ...policy, tokenizer: policy.tokenizer?.withTemplate(templateSettings(config)) ?? null },
    config,
    ...libraryOf(config.library),
    teacher: taught ?? null,
    engine: bench.chosen,
  });
}

/** What the run began with beside what it would be trained with now. */
export async function compareRun(tools: Tools, { config, teacher, origin }: RunRecord): Promise<Comparison> {
  const now = await runNow(tools, config, teacher);
  // A teacher that was deleted is no difference that could be taken over: whoever opens it says so (`teacher.ts`).
  const gone = teacher !== undefined && !(await findCheckpoint(tools.storage, teacher.checkpoint));
  const taught = gone ? Object.entries(origin?.identity ?? {}).filter(([part]) => /^teacher(\.|$)/.test(part)) : [];
  return { origin, now: { ...now, ...Object.fromEntries(taught) }, mayDiffer: runMayDiffer };
}

/** What stands in the way of going on with a run, or with the one that it races: both go on together. Null: nothing. */
export async function changesOfRun(tools: Tools, record: RunRecord): Promise<Changes | null> {
  const rival = record.race === undefined ? undefined : (await tools.storage.runs()).find(({ id }) => id === record.race);
  const compared = await Promise.all([record, ...(rival ? [rival] : [])].map((run) => compareRun(tools, run)));
  const found = compared.flatMap((comparison) => changesOf(comparison) ?? []);
  const [first] = found;
  if (!first) return null;
  const lost = found.find(({ accept }) => accept.length === 0);
  return lost ?? { ...first, accept: [...new Set(found.flatMap(({ accept }) => accept))] };
}

/** @throws LabError 'usage' that names what differs from what the run began with, but for what is accepted */
export async function continuedRun(tools: Tools, record: RunRecord, accept: readonly string[]): Promise<Origin> {
  return continued({
    ...(await compareRun(tools, record)),
    what: `“${record.name}”`,
    accept,
    at: `step ${record.step}`,
    next: howToGoOn('Begin a new run; this one stays as it is.'),
  });
}

/** @param otherwise where it cannot be allowed */
export const howToGoOn =
  (otherwise: string) =>
  (accept: readonly string[]): string =>
    accept.length === 0 ? otherwise : '“Continue” asks whether to take over what is there now; where that is allowed, it is noted.';

/**
 * The part that the compared policies are, beside the base.
 * @throws LabError 'storage' where the checkpoint of one was deleted
 */
export async function policiesPart(storage: LabStorage, policies: readonly EvaluatedPolicy[], what: string): Promise<Identity> {
  const hashes: string[] = [];
  for (const { checkpoint, name } of policies) {
    if (checkpoint === null) continue;
    const info = await findCheckpoint(storage, checkpoint);
    if (!info) {
      throw new LabError(
        'storage',
        `The checkpoint of “${name}” was deleted, so that this ${what} cannot go on. What it found so far is kept.`,
        'Begin another with policies that are there.',
      );
    }
    hashes.push(info.hash);
  }
  return named({ policies: await sha256(hashes.join('\n')) });
}

async function findCheckpoint(storage: LabStorage, id: string): Promise<CheckpointInfo | null> {
  for (const run of await storage.runs()) {
    const found = (await storage.checkpoints(run.id)).find((info) => info.id === id);
    if (found) return found;
  }
  return null;
}
