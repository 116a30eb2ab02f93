/** What leaves the page of a run's policy, made in the worker: one GGUF, or a zip of a folder, or of a project for another trainer. What is in them is `exchange/`. */
import { policyFiles, type FormOptions } from '../exchange/policy-files.ts';
import type { PolicyForm } from '../exchange/policy-forms.ts';
import { trainerProject } from '../exchange/project/project.ts';
import type { SavedRun } from '../exchange/run-file.ts';
import type { TrainerForm } from '../exchange/trainer-forms.ts';
import { blobOf, zipOf } from '../exchange/zip-file.ts';
import { libraryOf } from '../persona/libraries.ts';
import type { Policy } from '../policy/policy.ts';
import type { RunConfig } from '../rl/config.ts';
import type { ImportedSets } from '../tasks/source.ts';

/** @throws LabError as `policyFiles`, 'numeric' for weights that are no numbers */
export async function savedPolicy(policy: Policy, { run, checkpoint }: SavedRun, form: PolicyForm, options: FormOptions): Promise<File> {
  const { id, config, weights: base, texts, tokenizer } = policy;
  const { weights, adapters } = checkpoint.state;
  const name = `${id.split('/').at(-1)}-${run.config.recipe}-step-${checkpoint.trainer.step}`;
  const files = policyFiles(form, { name, config, base, texts, tokenizer, weights, adapters }, options);
  const [first] = files;
  const folder = form === 'peft' ? `${name}-lora` : name;
  return form === 'gguf' ? new File([await blobOf(first!)], first!.name) : new File([await zipOf(folder, files)], `${folder}.zip`);
}

/** @param sets those that the configuration names  @throws LabError as `trainerProject` */
export async function savedProject(policy: Policy, config: RunConfig, sets: ImportedSets, form: TrainerForm, named: string | null) {
  const { personas } = libraryOf(config.library);
  const { name, files, gaps } = trainerProject(form, { config, personas, sets, policy, named: named ?? undefined });
  return { file: new File([await zipOf(name, files)], `${name}.zip`), gaps };
}
