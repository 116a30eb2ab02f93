/** What a run can be saved as. Who writes the files is `exchange/`. */
import type { TextFormat } from '../../exchange/export.ts';
import { trainerForms, trainerNames, type TrainerForm } from '../../exchange/trainer-forms.ts';
import type { Lab } from '../../state/lab.svelte.ts';
import type { RunRecord } from '../../storage/records.ts';
import { fileName } from './drawing.ts';
import { save, type SaveItem } from './save.ts';

const texts: readonly {
  readonly format: TextFormat;
  readonly name: string;
  readonly hint: string;
  readonly ending: string;
  readonly type: string;
}[] = [
  { format: 'csv', name: 'Metrics', hint: 'CSV, a row a step', ending: '.csv', type: 'text/csv' },
  { format: 'unipo', name: 'Replies for UNIPO', hint: 'JSON', ending: '-unipo.json', type: 'application/json' },
  { format: 'trackio', name: 'Replies as trackio’s traces', hint: 'JSONL', ending: '-trackio.jsonl', type: 'application/jsonl' },
  { format: 'trl', name: 'Replies as TRL’s completions table', hint: 'JSONL', ending: '-trl.jsonl', type: 'application/jsonl' },
];

type PolicyArguments = Parameters<Lab['library']['savePolicy']> extends [unknown, ...infer Rest] ? Rest : never;

/** A name on the hub is one everywhere; one file of a repository is none of PEFT's bases. */
function knownBase(lab: Lab, { config }: RunRecord): string | null {
  const from = lab.policies.find(config.policy)?.from;
  return from?.kind === 'hub' && from.file === null ? from.name : null;
}

/** PEFT looks for the base by this name; what the page calls its own policy is known nowhere else. */
function askedBase(lab: Lab, { config }: RunRecord): string | null {
  const name = lab.policies.nameOf(config.policy);
  const question = `PEFT asks which policy the adapters are of. What is ${name} called where they are used: its folder, or owner/name on the hub?`;
  return prompt(question, name)?.trim() || null;
}

/** @param step whose replies are on view; 0: none are */
export function runItems(lab: Lab, run: RunRecord, step: number): readonly SaveItem[] {
  const file = fileName(run.name);
  const policyOf = async (...form: PolicyArguments) => {
    const made = await lab.library.savePolicy(run, ...form);
    save(made.name, made.type || 'application/octet-stream', made);
  };
  const projectOf = async (form: TrainerForm) => {
    const { file: made, gaps } = await lab.library.saveProject(run, form, knownBase(lab, run));
    save(made.name, made.type || 'application/zip', made);
    if (gaps.length > 0)
      lab.notices.add('info', `What ${trainerNames[form]} does otherwise is in the project’s README: ${gaps.join(' ')}`, run.id);
  };
  // Who learns from given replies, or not at all, has no rewards to take along.
  const rewarded = run.config.objective.name !== 'sft' && run.config.optim.learningRate > 0;
  const textOf = (format: TextFormat) => lab.library.exportRun(run, format, step || Infinity, lab.personas);
  return [
    {
      name: 'Run',
      hint: 'for this page and the command line',
      save: async () => save(`${file}.permix-run`, 'application/octet-stream', await lab.library.saveRun(run)),
    },
    { name: 'Policy for Python', hint: 'Hugging Face folder, ZIP', save: () => policyOf('hf') },
    { name: 'Policy for llama.cpp', hint: 'GGUF, F16', save: () => policyOf('gguf', { format: 'f16' }) },
    { name: 'Policy for llama.cpp, half as large', hint: 'GGUF, Q8_0', save: () => policyOf('gguf', { format: 'q8_0' }) },
    ...(run.config.lora
      ? [
          {
            name: 'LoRA adapters for PEFT',
            hint: 'ZIP',
            save: async () => {
              const base = knownBase(lab, run) ?? askedBase(lab, run);
              if (base) await policyOf('peft', { base });
            },
          },
        ]
      : []),
    ...(rewarded
      ? trainerForms.map((form) => ({
          name: `Project for ${trainerNames[form]}`,
          hint: 'questions, reward, settings, policy, ZIP',
          save: () => projectOf(form),
        }))
      : []),
    ...texts.map(({ format, name, hint, ending, type }) => ({
      name,
      hint,
      save: async () => save(`${file}${ending}`, type, await textOf(format)),
    })),
    {
      name: step ? `Step ${step} as a page` : 'Its newest step as a page',
      hint: 'HTML, which prints',
      save: async () => save(`${file}${step ? `-step-${step}` : ''}.html`, 'text/html', await textOf('html')),
    },
  ];
}
