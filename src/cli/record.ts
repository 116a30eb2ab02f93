/**
 * `permix record`: the run that the page replays. RLVR and PerMix from the bundled policy, same seed and settings, by the trainer that
 * `permix train` uses; what is kept of them is `recorded.ts`. Nothing is written before both are done.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { EngineInfo, EngineRequest } from '../engine/engine.ts';
import { labErrorCode } from '../errors.ts';
import { analysis } from '../evaluate/reproduction/analysis.ts';
import { recordedRun, recordingFormat, recordingVersion, type RecordedRun, type Recording } from '../evaluate/reproduction/recorded.ts';
import { personas } from '../persona/world.ts';
import { loadPolicy } from '../policy/policy.ts';
import { parseRunConfig } from '../rl/check.ts';
import type { RunConfig } from '../rl/config.ts';
import type { StepReport } from '../rl/events.ts';
import { initialTrainerState, train } from '../rl/trainer.ts';
import type { Arguments } from './arguments.ts';
import { openEngine } from './engine.ts';
import { bundledPolicy, folderSource } from './folder.ts';
import { tryFile } from './output-files.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { replaceFile } from './files.ts';
import { stopSignal } from './stop.ts';

const file = 'public/runs/rlvr-permix/recording.json';

export async function recordCommand(args: Arguments, out: Output): Promise<number> {
  const seed = args.integer('seed', 0, 0xffffffff) ?? 1;
  const steps = args.integer('steps', 1, 100_000) ?? 100;
  const target = resolve(args.text('out') ?? file);
  await tryFile('out', target);
  const source = await folderSource(bundledPolicy);
  // Both together, so that a recording does not depend on what a machine happens to have.
  const engineRequest = {
    engine: args.engineRequest.engine ?? 'portable',
    backend: args.engineRequest.backend ?? (args.engineRequest.engine === 'fused' ? 'webgpu' : 'wasm'),
  } as const;
  const stop = stopSignal('Stopping; nothing is written.');
  const runs: RecordedRun[] = [];
  let info: EngineInfo | null = null;
  const progress = new Progress('recording', 2 * steps);
  try {
    for (const [recipe, name] of [
      ['rlvr', 'RLVR'],
      ['permix', 'PerMix'],
    ] as const) {
      const config = parseRunConfig({ recipe, seed, steps, objective: { beta: analysis.headlineBeta, kl: 'k3' }, policy: source.id });
      const taken = await record(config, engineRequest, stop.signal, (done) => progress.at(runs.length * steps + done, name));
      runs.push(recordedRun(name, config, taken.reports));
      info = taken.info;
    }
  } catch (error) {
    if (labErrorCode(error) !== 'cancelled') throw error;
    notice('Stopped; nothing was written.');
    return 130;
  } finally {
    progress.done();
    stop.release();
  }
  const { engine, backend, adapter } = info!;
  const recording: Recording = {
    format: recordingFormat,
    version: recordingVersion,
    command: `npm run record -- --seed ${seed} --steps ${steps}`,
    date: new Date().toISOString(),
    engine,
    backend,
    adapter,
    policy: source.id,
    runs,
  };
  const text = `${JSON.stringify(recording)}\n`;
  await mkdir(dirname(target), { recursive: true });
  await replaceFile(target, text);
  out.object({ file: target, bytes: text.length });
  out.line(`Wrote ${target}, ${Math.round(text.length / 1024)} KiB.`);
  return 0;
}

async function record(
  config: RunConfig,
  engineRequest: EngineRequest,
  signal: AbortSignal,
  onStep: (done: number) => void,
): Promise<{ reports: StepReport[]; info: EngineInfo }> {
  const policy = await loadPolicy(await folderSource(bundledPolicy));
  const engine = await openEngine({ config: policy.config, weights: policy.weights, engineRequest });
  try {
    await engine.setReference();
    const reports: StepReport[] = [];
    const { eosIds } = policy.config;
    for await (const { report } of train({
      engine,
      tokenizer: policy.tokenizer!,
      eosIds,
      personas,
      config,
      state: initialTrainerState,
      signal,
    })) {
      reports.push(report);
      onStep(report.step);
    }
    return { reports, info: engine.info };
  } finally {
    engine.dispose();
  }
}
