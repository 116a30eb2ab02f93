/**
 * The measurements of `npm run bench`: those that the page makes too (src/benchmark/suite.ts), and those with peers, with the parts of this project that
 * only Node has, and of the page from outside.
 */
import { createEngine } from '../../src/engine/create.ts';
import { folderSource } from '../../src/cli/folder.ts';
import { EngineContender, type Contender } from '../../src/benchmark/contender.ts';
import { productRates } from '../../src/benchmark/host-rate.ts';
import { measureDistinct, measureHostSteps, measureThreads, type HostMachine } from '../../src/benchmark/host-steps.ts';
import type { EngineLabel, GpuEngine } from '../../src/benchmark/report.ts';
import { LeftOut, Suite, type Effort } from '../../src/benchmark/suite.ts';
import { objective, optim } from '../../src/benchmark/workload.ts';
import { personas, voices } from '../../src/persona/world.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import type { Weights } from '../../src/policy/weights.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { initialTrainerState } from '../../src/rl/trainer.ts';
import { HeldOutCost } from '../../src/run/cost.ts';
import { runSteps } from '../../src/run/loop.ts';
import { measureHostPolicy, startThread } from './host-policy.ts';
import { measureHostPeers } from './host-peers.ts';
import { hostShare } from './host-share.ts';
import { jaxChain } from './jax-chain.ts';
import { JaxContender } from './jax-contender.ts';
import { mainThreadShares } from './page-share.ts';

const bundled = async () => loadPolicy(await folderSource('public/models/permix-tiny'));

export class CommandSuite extends Suite {
  /** @param compiled of `performance.now()`: by then the peer must have compiled */
  constructor(
    effort: Effort,
    say: (line: string) => void,
    private readonly compiled: number,
  ) {
    super(effort, say);
  }

  protected override make(name: GpuEngine, config: PolicyConfig, weights: Weights): Promise<Contender> | Contender {
    if (name === 'jax-js') return new JaxContender(config, weights, objective, optim);
    return EngineContender.create(name, config, weights, objective, optim);
  }

  protected override firstSteps<T>(name: EngineLabel, steps: () => Promise<T>): Promise<T> {
    return name === 'jax-js' ? before(this.compiled, steps) : steps();
  }

  protected override get peerChains(): Suite['peerChains'] {
    return this.out.has('jax-js') ? {} : { 'jax-js': jaxChain };
  }

  /** What the usual held-out questions cost a run that every machine can make: ten steps of it, and the evaluations before and after. */
  async heldOutShare(): Promise<void> {
    const policy = await bundled();
    const engine = await createEngine({ config: policy.config, weights: policy.weights, engine: 'portable', backend: 'wasm' });
    await engine.setReference();
    const cost = new HeldOutCost(recipes.permix);
    const config = { ...recipes.permix, steps: recipes.permix.heldOut.every };
    const given = { tokenizer: policy.tokenizer!, eosIds: policy.config.eosIds, personas, voices, config };
    for await (const event of runSteps({ ...given, engine, state: initialTrainerState, evaluated: [] })) {
      if (event.kind === 'evaluation') cost.asked(event.evaluation.seconds);
      else cost.trained(event.report.metrics.step_time ?? 0);
    }
    engine.dispose();
    this.rows.add('heldOut.share', 'portable', [100 * (cost.share ?? 0)]);
  }

  /** Steps of a run of the bundled policy without a GPU, and the same on one thread and on all. */
  async hostSteps(): Promise<void> {
    const machine: HostMachine = { policy: await bundled(), ...(startThread ? { startThread } : {}) };
    const effort = { ...this.effort };
    Object.assign(this.effort, { repeats: hostRounds, patience: Infinity, hurry: Infinity });
    await measureHostSteps(this, machine);
    await measureDistinct(this, machine);
    await measureThreads(this, machine);
    Object.assign(this.effort, effort);
  }

  /** A policy of a real one's shape without a GPU. */
  async hostPolicy(): Promise<void> {
    const { decode, step, long } = await measureHostPolicy();
    this.rows.add('host.decode1', 'wasm', [decode[0]]);
    this.rows.add('host.decode32', 'wasm', [decode[1]]);
    this.rows.add('host.loraStep', 'wasm', [step]);
    this.rows.add('host.longStep', 'wasm', [long.seconds]);
    this.rows.add('host.longMemory', 'wasm', [long.bytes / 1e9]);
  }

  /** The same training here and in another library, without a GPU. */
  async hostPeers(): Promise<void> {
    await measureHostPeers(this, this.say);
  }

  /** The rate of products as a training step has them, and of those in one. */
  async hostProducts(): Promise<void> {
    this.rows.add('host.products', 'wasm', await productRates());
    const { products, steps } = await hostShare(await bundled(), hostRounds);
    this.rows.add('host.productShare', 'wasm', products);
    this.rows.add('host.stepShare', 'wasm', steps);
  }

  /** What the built page takes of its main thread while it trains: three stretches of one run. */
  async pageShare(): Promise<void> {
    try {
      this.rows.add('page.mainThread', 'portable', await mainThreadShares(3));
    } catch (error) {
      this.failures.push(`The page was not measured: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

const hostRounds = 5;

/** @param deadline of `performance.now()` */
async function before<T>(deadline: number, work: () => Promise<T>): Promise<T> {
  if (deadline === Infinity) return work();
  // Still compiling; it cannot be interrupted and is left alone.
  const tooSlow = new LeftOut('It had not compiled when the time of --quick for that was over.');
  const left = deadline - performance.now();
  if (left <= 0) throw tooSlow;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooSlow), left);
  });
  return Promise.race([work(), late]).finally(() => clearTimeout(timer));
}
