/** The policies that can be chosen here, and the one that is coming in. The token of a hub lives here for as long as the page is open, and is stored nowhere. */
import { errorSentence, labErrorCode } from '../errors.ts';
import type { GivenFile } from '../policy/given.ts';
import { isHubName } from '../policy/hub-name.ts';
import { namesPolicy, readablePolicy } from '../storage/policies.ts';
import type { TrainerApi } from '../worker/api.ts';
import type { AddedPolicy, BaseQuestion, PolicyInfo, PolicyList, PolicyProgress } from '../worker/policies-api.ts';

type Add = (onProgress: (progress: PolicyProgress) => void, base?: string) => Promise<AddedPolicy>;

export class OwnPolicies {
  list = $state.raw<PolicyList | null>(null);
  progress = $state.raw<PolicyProgress | null>(null);
  adding = $state(false);
  problem = $state<string | null>(null);
  /** What became of the last one. */
  added = $state.raw<AddedPolicy | null>(null);
  /** Adapters that were given, and do not tell which of the policies here is their base. */
  question = $state.raw<(BaseQuestion & { readonly add: Add }) | null>(null);
  /** Id of the base, as far as the reader has chosen it. */
  chosenBase = $state('');
  /** The dialog that adds one. */
  asking = $state(false);
  /** As typed: owner/name. */
  name = $state('');
  base = $state('');
  token = $state('');

  constructor(
    private readonly api: () => TrainerApi,
    /** It is the one that is trained next. */
    private readonly choose: (id: string) => void,
  ) {}

  get all(): readonly PolicyInfo[] {
    return this.list?.policies ?? [];
  }

  /** Those that adapters can be of. */
  get whole(): readonly PolicyInfo[] {
    return this.all.filter(({ adapters }) => adapters === null);
  }

  /** Those whose base it is. */
  adaptersOn(base: Pick<PolicyInfo, 'id' | 'name'>): readonly PolicyInfo[] {
    return this.all.filter(({ adapters }) => adapters !== null && namesPolicy(adapters.base, base));
  }

  /** What a run of it trains: itself, or the base of adapters, whatever that is called here. */
  trained(id: string): string {
    const base = this.find(id)?.adapters?.base;
    return base === undefined ? id : (this.whole.find((whole) => namesPolicy(base, whole))?.id ?? base);
  }

  find(id: string): PolicyInfo | null {
    return this.all.find((policy) => policy.id === id) ?? null;
  }

  /** Those that suit it; null: every policy's. */
  recipesOf(id: string): PolicyInfo['recipes'] {
    return this.find(id)?.recipes ?? null;
  }

  nameOf(id: string): string {
    return this.find(id)?.name ?? readablePolicy(id);
  }

  async refresh(): Promise<void> {
    await this.#attempt(async () => (this.list = await this.api().policies()));
  }

  /** Opens the dialog, as it is before anything was asked of it. */
  ask(): void {
    if (!this.adding) [this.problem, this.added, this.question] = [null, null, null];
    this.asking = true;
  }

  async give(files: readonly GivenFile[]): Promise<void> {
    this.ask();
    await this.#bring(files, (onProgress, base) => this.api().addPolicy(files, onProgress, base));
  }

  /** A policy, or adapters, whose base is asked for first where they do not tell it. */
  async #bring(from: Parameters<TrainerApi['baseQuestion']>[0], add: Add): Promise<void> {
    await this.#add(async (onProgress) => {
      const question = await this.api().baseQuestion(from);
      return question ? this.#wonder({ ...question, add }) : add(onProgress);
    });
  }

  /** The adapters that were asked about, on the base that was chosen. */
  async settle(): Promise<void> {
    const { question, chosenBase } = this;
    if (question) await this.#add((onProgress) => question.add(onProgress, chosenBase));
  }

  #wonder(question: NonNullable<OwnPolicies['question']>): null {
    this.question = question;
    this.chosenBase = '';
    // So that it can be fetched at once.
    if (question.named !== null && isHubName(question.named)) this.name = question.named;
    return null;
  }

  async fetch(name = this.name, base = this.base): Promise<void> {
    const token = this.token.trim() || undefined;
    const wanted = { name, base, token };
    await this.#bring(wanted, (onProgress, base) => this.api().fetchPolicy(wanted, onProgress, base));
  }

  async pause(): Promise<void> {
    await this.#attempt(() => this.api().pausePolicy());
  }

  async discard(folder: string): Promise<void> {
    await this.#attempt(() => this.api().discardPolicy(folder));
    await this.refresh();
  }

  /** Resolves with false where it stays. */
  async remove(id: string): Promise<boolean> {
    const removed = await this.#attempt(() => this.api().removePolicy(id));
    await this.refresh();
    return removed;
  }

  /** @param work resolves with null where there is something to ask first */
  async #add(work: (onProgress: (progress: PolicyProgress) => void) => Promise<AddedPolicy | null>): Promise<void> {
    if (this.adding) {
      this.problem = 'A policy is being added already. Wait for it, or stop it first.';
      return;
    }
    this.adding = true;
    [this.problem, this.added, this.progress] = [null, null, null];
    try {
      const added = await work((progress) => this.adding && (this.progress = progress));
      if (!added) return;
      this.added = added;
      await this.refresh();
      this.choose(added.policy.id);
      // What was fetched meanwhile is meant, most likely.
      if (added.policy.adapters) this.question = null;
      else if (this.question) this.chosenBase = added.policy.id;
    } catch (error) {
      await this.refresh();
      // What was paused is listed as such.
      if (labErrorCode(error) !== 'cancelled') this.problem = errorSentence(error);
    } finally {
      this.adding = false;
      this.progress = null;
    }
  }

  async #attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.problem = errorSentence(error);
      return false;
    }
  }
}
