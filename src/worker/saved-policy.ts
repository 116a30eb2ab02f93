/** The policy of a run as a file that other programs run, made in the worker: one GGUF, or a zip of a folder. What is in it is `exchange/policy-files.ts`. */
import { policyFiles, type FormOptions } from '../exchange/policy-files.ts';
import type { PolicyForm } from '../exchange/policy-forms.ts';
import type { SavedRun } from '../exchange/run-file.ts';
import { blobOf, zipOf } from '../exchange/zip-file.ts';
import type { Policy } from '../policy/policy.ts';

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
