/**
 * Where `permix pretrain` keeps what it needs to go on: progress.json (how far, what it began with, and which state that is) and the state
 * itself. The state is written under a name of its own before progress.json names it, so that there is no moment with neither.
 */
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PolicyState } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import { sha256 } from '../policy/sha256.ts';
import { maxFileBytes } from '../policy/source.ts';
import { begun, continued, examinationMayDiffer, type Identity, type Origin } from '../run/identity.ts';
import { z } from '../schema.ts';
import { packState, unpackState } from '../storage/pack.ts';
import { nextStep } from './accept.ts';
import { makeFolder, readJson, readSealed, readWhole, replaceFile, sealedJson } from './files.ts';

export interface Reached {
  readonly step: number;
  readonly loss: number;
  readonly seconds: number;
}

interface ProgressFile extends Reached {
  /** Absent in files of earlier versions, whose state is state.bin and which have no seal. */
  readonly origin?: Origin;
  readonly state?: { readonly file: string; readonly hash: string };
}

export class PretrainFolder {
  private constructor(
    readonly path: string,
    readonly reached: Reached,
    /** Null at the beginning. */
    readonly state: PolicyState | null,
    readonly origin: Origin,
  ) {}

  /**
   * @param accept parts in which it may differ from what it began with
   * @throws LabError 'usage' that names what differs, 'format' for a state that is not the one that was written
   */
  static async open(path: string, identity: Identity, accept: readonly string[]): Promise<PretrainFolder> {
    await makeFolder(path);
    const file = join(path, 'progress.json');
    if (!existsSync(file)) return new PretrainFolder(path, { step: 0, loss: 0, seconds: 0 }, null, begun(identity));
    const { step, loss, seconds, origin: stored, state } = await readProgress(file);
    const origin = continued({
      what: `The pre-training in ${path}`,
      origin: stored,
      now: identity,
      accept,
      mayDiffer: examinationMayDiffer,
      at: `step ${step}`,
      next: (parts) => nextStep('add --fresh to start over', parts),
    });
    const bytes = await readWhole(join(path, state?.file ?? 'state.bin'), maxFileBytes);
    if (state && (await sha256(bytes)) !== state.hash) {
      throw new LabError('format', `${join(path, state.file)} is damaged: it is not what was written.`, 'Add --fresh to start over.');
    }
    const content = unpackState(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);
    return new PretrainFolder(path, { step, loss, seconds }, content, origin);
  }

  async save(state: PolicyState, reached: Reached): Promise<void> {
    const bytes = new Uint8Array(packState(state));
    const file = `state-${reached.step}.bin`;
    await replaceFile(join(this.path, file), bytes);
    const progress: ProgressFile = { ...reached, origin: this.origin, state: { file, hash: await sha256(bytes) } };
    await replaceFile(join(this.path, 'progress.json'), await sealedJson(progress));
    for (const name of readdirSync(this.path)) if (/^state(-\d+)?\.bin/.test(name) && name !== file) await rm(join(this.path, name));
  }
}

const number = z.number().check(z.minimum(0));
const unsealed = z.strictObject({ step: z.int().check(z.minimum(0)), loss: number, seconds: number });

/** @throws LabError 'format' where it is not what was written */
async function readProgress(file: string): Promise<ProgressFile> {
  const sealed = await readSealed(file);
  if (sealed) return sealed as ProgressFile;
  const old = unsealed.safeParse(await readJson(file).catch(() => null));
  if (old.success) return old.data;
  throw new LabError('format', `${file} is damaged: it is not what was written.`, 'Add --fresh to start over.');
}
