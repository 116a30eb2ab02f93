/**
 * The workbench: the policies that were loaded and the one engine that computes with them. It knows whose weights the engine holds,
 * builds a new engine when the old one is lost, and lends it out for a probe without a trace.
 */
import { chooseEngine, onHost, probeAdapters, type EngineChoice } from '../engine/choose.ts';
import { checkedFirst, checkEngine, instead, processMemory, type CheckSetup } from '../engine/checked.ts';
import { createEngine, type WasmPath } from '../engine/create.ts';
import { threadsFor } from '../engine/parallel/cores.ts';
import type { StartThread } from '../engine/parallel/remote-thread.ts';
import { countedReads } from '../policy/counted-reads.ts';
import { checkReport, checkSentence } from '../engine/self-check.ts';
import { untrained, type EngineInfo, type PolicyEngine, type PolicyState } from '../engine/engine.ts';
import { labErrorCode, LabError } from '../errors.ts';
import { sameAdapters, type LoraSetup } from '../policy/adapters.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { templateSettings, type TemplateAsking } from '../rl/asking.ts';
import type { CheckedEngine, BootRequest } from './api.ts';

/** The policy that comes with the page; its corpus (`pretrain/corpus.ts`) has one question and one reply a dialogue. */
export const bundledPolicy = { id: 'permix-tiny', name: 'PerMix tiny', trainedTurns: 1 };

export interface BenchSetup {
  /** @throws LabError 'network' or 'format' when the policy cannot be had */
  loadPolicy(id: string): Promise<Policy>;
  /** Told of an own policy while it is opened and put on an engine, with the share of its bytes that were read; null: it is there, or failed. */
  readonly onLoading?: (loading: { readonly policyId: string; readonly fraction: number } | null) => void;
  /** Where the tfjs WebAssembly files are; absent in Node, which finds its own. */
  readonly wasmPath?: WasmPath;
  /** Starts a thread that computes beside this one; absent: there is none. */
  readonly startThread?: StartThread | null;
  /** Told, in a sentence, of a thread that computes no more. */
  readonly onLostThread?: (sentence: string) => void;
  /** Absent: results of self-checks are kept as long as this process. */
  readonly checks?: CheckSetup;
}

const untilTheEnd: CheckSetup = { program: 'this process', memory: processMemory() };

export interface Chosen {
  readonly engine: PolicyEngine;
  readonly reason: string;
  readonly notices: readonly string[];
  /** Those that were considered, in order; the last one is in use. */
  readonly checks: readonly CheckedEngine[];
}

/** What answers: of a state, without what only training needs. */
export type AskedState = Pick<PolicyState, 'weights' | 'adapters'>;

export const askedOf = ({ weights, adapters }: AskedState): AskedState => ({ weights, adapters });

export class Bench {
  /** Whose state the engine holds; null: nobody's in particular. */
  holder: object | null = null;
  readonly #setup: BenchSetup;
  readonly #policies: Map<string, Promise<Policy>>;
  #choice: EngineChoice | null = null;
  #engine: PolicyEngine | null = null;
  /** A second engine beside the first, and whom it teaches. */
  #teacher: { readonly of: object; readonly engine: PolicyEngine } | null = null;
  #policyId: string | null = null;
  #lora: LoraSetup | null = null;
  /** What the reader lets it take: bytes on the GPU, threads; absent: as it is usual. */
  #limits: Pick<BootRequest, 'gpuMemory' | 'threads'> = {};

  /** @param beside another one, whose policies and choice of engine this one shares */
  constructor(setup: BenchSetup, beside?: Bench) {
    this.#setup = setup;
    this.#policies = beside ? beside.#policies : new Map<string, Promise<Policy>>();
    this.#choice = beside ? beside.#choice : null;
    this.#limits = beside ? beside.#limits : {};
  }

  /** A second engine, for a run that trains in turn with the first. */
  beside(): Bench {
    return new Bench(this.#setup, this);
  }

  /** Lets go of what computes. */
  dispose(): void {
    this.#drop();
  }

  /**
   * Chooses engine and backend and builds the engine. Falls back to WebAssembly where WebGPU was not asked for and does not start, and
   * whatever was asked for where an engine's self-check fails.
   */
  async choose(request: BootRequest, policyId: string): Promise<Chosen> {
    this.#choice = chooseEngine(request, await probeAdapters());
    this.#limits = request;
    this.#drop();
    const notices: string[] = [];
    const checks: CheckedEngine[] = [];
    const setup = this.#setup.checks ?? untilTheEnd;
    let engine = await this.#start(request, policyId, notices);
    for (;;) {
      if (!checkedFirst(engine.info, engine.info.software, request.selftest))
        return { engine, reason: this.#choice.reason, notices, checks };
      const check = await checkEngine(engine.info, setup, request.selftest, this.#setup.wasmPath);
      const sentence = checkSentence(check);
      checks.push({ passed: check.passed, sentence, report: checkReport(check, setup.program) });
      if (check.passed && request.selftest) notices.push(sentence);
      if (check.passed) return { engine, reason: this.#choice.reason, notices, checks };
      const next = instead(this.#choice, check);
      if (!next) throw new LabError('numeric', sentence, 'Nothing here computes what it should; try another browser, and report this one.');
      notices.push(`${next.reason} The report, to be copied or saved, is behind the engine's name at the top of the page.`);
      this.#choice = next;
      this.#drop();
      engine = await this.engineFor(policyId);
    }
  }

  async #start(request: BootRequest, policyId: string, notices: string[]): Promise<PolicyEngine> {
    try {
      return await this.engineFor(policyId);
    } catch (error) {
      const canFallBack = this.#choice?.backend === 'webgpu' && !request.backend && !request.engine;
      if (!canFallBack || (error instanceof LabError && error.code !== 'webgpu' && error.code !== 'memory')) throw error;
      this.#choice = { ...onHost(), reason: 'WebGPU did not start here, so the policy runs on WebAssembly.' };
      notices.push(`WebGPU did not start: ${error instanceof Error ? error.message : String(error)}`);
      return this.engineFor(policyId);
    }
  }

  /** What computes, whether it is built yet or not. */
  get chosen(): EngineChoice {
    if (!this.#choice) throw new Error('asked before Bench.choose');
    return this.#choice;
  }

  /** Loaded once; a failure is not remembered, so that it can be tried again. */
  policy(id: string): Promise<Policy> {
    let policy = this.#policies.get(id);
    if (!policy) {
      policy = this.#loading(id, () => this.#setup.loadPolicy(id));
      this.#policies.set(id, policy);
      policy.catch(() => this.#policies.delete(id));
    }
    return policy;
  }

  /** One that was removed: nothing of it stays loaded. */
  forget(id: string): void {
    this.#policies.delete(id);
    if (this.#policyId === id) this.#drop();
  }

  /** @param asking what its chat template is told; absent: as usual */
  async tokenizer(id: string, asking?: TemplateAsking): Promise<Tokenizer> {
    const { tokenizer } = await this.policy(id);
    if (!tokenizer)
      throw new LabError('config', `The policy ${id} has no tokenizer.`, 'Choose a policy whose folder has a tokenizer.json.');
    return asking ? tokenizer.withTemplate(templateSettings(asking)) : tokenizer;
  }

  /** The engine, holding some weights of this policy. @param lora what it trains; undefined where it is not to train */
  async engineFor(policyId: string, lora?: LoraSetup | null): Promise<PolicyEngine> {
    const trainsThat = lora === undefined || sameLora(lora, this.#lora);
    if (this.#engine && this.#policyId === policyId && trainsThat) return this.#engine;
    this.#drop();
    this.#engine = await this.#create(policyId, lora ?? null);
    this.#policyId = policyId;
    this.#lora = lora ?? null;
    return this.#engine;
  }

  /** An engine with a frozen policy, on the same device, for the run that learns from it; it stays until another run is loaded. */
  async teacherOf(holder: object, policyId: string, state: () => Promise<AskedState>): Promise<PolicyEngine> {
    if (this.#teacher?.of !== holder) {
      this.#dismiss();
      const asked = await state();
      const engine = await this.#create(policyId, null);
      this.#teacher = { of: holder, engine };
      await engine.importState({ ...untrained, ...asked });
    }
    return this.#teacher.engine;
  }

  async #create(policyId: string, lora: LoraSetup | null): Promise<PolicyEngine> {
    if (!this.#choice) throw new Error('an engine was asked for before Bench.choose');
    const { config, weights } = await this.policy(policyId);
    const { engine, backend } = this.#choice;
    const { onLostThread } = this.#setup;
    const { gpuMemory } = this.#limits;
    const more = {
      ...this.machinery,
      ...(gpuMemory === undefined ? {} : { gpuMemory }),
      ...(onLostThread ? { onLostThread } : {}),
    };
    return this.#loading(policyId, (tell) => {
      const told = countedReads(weights, tell);
      return createEngine({ config, weights: told.weights, engine, backend, lora, ...more }).finally(told.end);
    });
  }

  /** Something that takes as long as a policy is large. The one that comes with the page is there at once. */
  async #loading<T>(policyId: string, load: (tell: (fraction: number) => void) => Promise<T>): Promise<T> {
    const { onLoading } = this.#setup;
    if (!onLoading || policyId === bundledPolicy.id) return load(() => {});
    onLoading({ policyId, fraction: 0 });
    try {
      return await load((fraction) => onLoading({ policyId, fraction }));
    } finally {
      onLoading(null);
    }
  }

  /** What engines are made with here, whichever they are. */
  get machinery(): { readonly wasmPath?: WasmPath; readonly threads?: number; readonly startThread?: StartThread } {
    const { wasmPath, startThread } = this.#setup;
    return {
      ...(wasmPath ? { wasmPath } : {}),
      ...(startThread ? { threads: threadsFor(this.#limits.threads), startThread } : {}),
    };
  }

  /** Gives the engine a run's state, with the run's base policy as the frozen reference. */
  async load(policyId: string, lora: LoraSetup | null, state: PolicyState, holder: object): Promise<PolicyEngine> {
    this.holder = null;
    if (this.#teacher?.of !== holder) this.#dismiss();
    const engine = await this.engineFor(policyId, lora);
    await engine.setReference();
    await engine.importState(state);
    this.holder = holder;
    return engine;
  }

  /**
   * Whether a failure is the device's, so that a new one helps. On WebGPU a lost device shows first as whatever call met it, a buffer
   * that cannot be mapped for one; what is no LabError there is taken for that. A WebAssembly module that failed is replaced likewise.
   */
  deviceFailed(error: unknown): boolean {
    const code = labErrorCode(error);
    return code === 'webgpu' || code === 'wasm' || (code === null && this.#choice?.backend === 'webgpu');
  }

  /** After a loss: the old engine goes, the next one is built on a new device. */
  async rebuild(policyId: string, lora?: LoraSetup | null): Promise<EngineInfo> {
    this.#drop();
    return (await this.engineFor(policyId, lora)).info;
  }

  /**
   * Does some work with another state, then puts back exactly what the engine held. Null: with what it holds.
   * @param training whoever holds the engine needs it for the next step; one at rest goes on from its checkpoint
   */
  async borrow<T>(policyId: string, asked: AskedState | null, work: (engine: PolicyEngine) => Promise<T>, training: boolean): Promise<T> {
    if (this.holder && this.#policyId !== policyId) {
      if (training) throw new LabError('usage', `The run that is being trained has another policy than ${policyId}.`, 'Pause it first.');
      this.holder = null;
    }
    const engine = await this.engineFor(policyId);
    if (!asked) return work(engine);
    const holder = this.holder;
    const held = holder ? await engine.exportState() : null;
    // Should putting back fail, nobody holds the engine and the run goes back to its last checkpoint.
    this.holder = null;
    await engine.importState({ ...untrained, ...asked });
    try {
      return await work(engine);
    } finally {
      if (held) {
        await engine.importState(held);
        this.holder = holder;
      }
    }
  }

  #drop(): void {
    this.holder = null;
    this.#policyId = null;
    const engine = this.#engine;
    this.#engine = null;
    dispose(engine);
    this.#dismiss();
  }

  #dismiss(): void {
    const teacher = this.#teacher;
    this.#teacher = null;
    dispose(teacher?.engine ?? null);
  }
}

function dispose(engine: PolicyEngine | null): void {
  try {
    engine?.dispose();
  } catch {
    // A lost device cannot be tidied up, and need not be.
  }
}

function sameLora(a: LoraSetup | null, b: LoraSetup | null): boolean {
  if (!a || !b) return a === b;
  return sameAdapters(a, b) && a.alpha === b.alpha && a.seed === b.seed;
}
