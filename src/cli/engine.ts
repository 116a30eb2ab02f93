/** Opens a policy folder and an engine for it, as the options of a command say. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { askedBackend, chooseEngine, type EngineChoice } from '../engine/choose.ts';
import { checkedFirst, checkEngine, instead } from '../engine/checked.ts';
import { createEngine } from '../engine/create.ts';
import type { BackendName, EngineName, PolicyEngine } from '../engine/engine.ts';
import { threadsFor } from '../engine/parallel/cores.ts';
import { checkSentence } from '../engine/self-check.ts';
import { LabError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { LoraSetup } from '../policy/adapters.ts';
import type { PolicyConfig } from '../policy/config.ts';
import type { TemplateSettings } from '../policy/template-settings.ts';
import { loadPolicy, type Policy } from '../policy/policy.ts';
import { noSystemKinds, systemPlaces } from '../policy/template-settings.ts';
import type { PolicyTensors } from '../policy/weights.ts';
import type { Arguments } from './arguments.ts';
import { checkSetup } from './checks.ts';
import { bundledPolicy, policySource } from './folder.ts';
import { notice } from './progress.ts';
import { startThread } from './start-thread.ts';
import { findAdapters } from './webgpu.ts';

/** tfjs's wasm binaries lie beside the bundle; run from its sources, they are still in their package. */
export const wasmPath = `${
  existsSync(join(import.meta.dirname, 'tfjs-backend-wasm-simd.wasm'))
    ? import.meta.dirname
    : dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))
}/`;

export interface EngineSetup {
  readonly config: PolicyConfig;
  readonly weights: PolicyTensors;
  readonly lora?: LoraSetup | null;
  readonly engineRequest: {
    readonly engine?: EngineName | undefined;
    readonly backend?: BackendName | undefined;
    readonly gpuMemory?: number | undefined;
    readonly threads?: number | undefined;
  };
}

/** @throws LabError 'usage' for an impossible pair, 'webgpu' where it is asked for and not there */
export async function openEngine({ config, weights, lora = null, engineRequest }: EngineSetup): Promise<PolicyEngine> {
  const { engine, backend } = await chosenEngine(engineRequest);
  const { gpuMemory } = engineRequest;
  return createEngine({
    ...{ config, weights, lora, engine, backend, wasmPath },
    ...(gpuMemory === undefined ? {} : { gpuMemory }),
    ...(startThread ? { threads: threadsFor(engineRequest.threads), startThread, onLostThread: notice } : {}),
  });
}

/**
 * What the options, or this machine, would compute with. Its self-check has passed, but for a software adapter's (`checkedFirst`).
 * @throws LabError 'numeric' where what was asked for computes wrongly; where nothing was, it is said and the next one is taken
 */
export async function chosenEngine(engineRequest: EngineSetup['engineRequest']): Promise<EngineChoice> {
  const adapters = await findAdapters(askedBackend(engineRequest));
  let choice = chooseEngine(engineRequest, adapters);
  for (;;) {
    if (!checkedFirst(choice, adapters.software)) return choice;
    const adapter = choice.backend === 'webgpu' ? adapters.webgpu : null;
    const check = await checkEngine({ engine: choice.engine, backend: choice.backend, adapter }, checkSetup, false, wasmPath);
    if (check.passed) return choice;
    const next = instead(choice, check);
    if (!next || engineRequest.engine || engineRequest.backend) {
      const way = next ? `Use --engine ${next.engine} --backend ${next.backend}; ` : '';
      throw new LabError('numeric', checkSentence(check), `${way}permix doctor --json shows the whole report.`);
    }
    notice(next.reason);
    choice = next;
  }
}

export function modelFolder(args: Arguments): string {
  return args.text('model') ?? bundledPolicy;
}

/** Says what the files of the policy say that cannot be. @param told what its chat template is told */
export async function readPolicy(folder: string, told: Partial<TemplateSettings> = {}): Promise<Policy> {
  const policy = await loadPolicy(await policySource(folder));
  for (const sentence of policy.notices) notice(sentence);
  return { ...policy, tokenizer: policy.tokenizer?.withTemplate(told) ?? null };
}

/**
 * What the options say of prompts: arguments of the template, what "no persona" is, where a persona goes without a system role.
 * @param usual where they say nothing
 */
export function askedTemplate(args: Arguments, usual: Partial<TemplateSettings> = {}): Partial<TemplateSettings> {
  const told = templateArguments(args);
  const noSystem = args.choice('no-persona', noSystemKinds);
  const systemPlace = args.choice('no-system-role', systemPlaces);
  return { ...usual, ...(told ? { arguments: told } : {}), ...(noSystem ? { noSystem } : {}), ...(systemPlace ? { systemPlace } : {}) };
}

/** `--template-args`. @throws LabError 'usage' for anything but a JSON object */
export function templateArguments(args: Arguments): TemplateSettings['arguments'] | undefined {
  const text = args.text('template-args');
  if (text === undefined) return undefined;
  try {
    const json = parseJson(text, { file: '--template-args' });
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as TemplateSettings['arguments'];
  } catch {
    // Said below.
  }
  throw args.wrong(`--template-args takes a JSON object such as '{"enable_thinking": false}', not ${text.slice(0, 80)}.`);
}

/** @param told what its chat template is told; by itself what the options say */
export async function openPolicy(args: Arguments, told = askedTemplate(args)): Promise<{ policy: Policy; engine: PolicyEngine }> {
  const policy = await readPolicy(modelFolder(args), told);
  return { policy, engine: await openEngine({ config: policy.config, weights: policy.weights, engineRequest: args.engineRequest }) };
}

/** @throws LabError 'usage' for ids the policy does not have, or more of them than it has positions */
export function checkTokens(tokens: Int32Array, config: PolicyConfig, room: number): void {
  const foreign = tokens.find((id) => id >= config.vocabSize);
  if (foreign !== undefined) {
    throw new LabError(
      'usage',
      `Token ${foreign} is not in the vocabulary, whose ids go from 0 to ${config.vocabSize - 1}.`,
      'Give others.',
    );
  }
  if (tokens.length > room) {
    throw new LabError('usage', `There are ${tokens.length} tokens, and the policy has room for ${room}.`, 'Give fewer.');
  }
}
