/** How a policy is asked, from the options of a command and from the policy's own defaults (`rl/policy-defaults.ts`). */
import { basename, dirname, resolve } from 'node:path';
import { parsePolicyConfig } from '../policy/config.ts';
import { parseJsonBytes } from '../json.ts';
import { noSystemKinds, systemPlaces } from '../policy/template-settings.ts';
import { askingIn, type AskingSettings } from '../rl/asking.ts';
import type { RunConfig } from '../rl/config.ts';
import { policyDefaults, type PolicyDefaults } from '../rl/policy-defaults.ts';
import { usualSplit, type HeldOutSplit } from '../tasks/source.ts';
import { answerForms } from '../verify/answer-forms.ts';
import type { Arguments } from './arguments.ts';
import { templateArguments } from './engine.ts';
import { policySource } from './folder.ts';
import { namedLibrary } from './persona-files.ts';
import { files, StoredRun } from './stored-run.ts';

/** What is given; nothing of what is not. @throws LabError 'usage', or 'format' for a persona file that is broken */
export async function givenAsking(args: Arguments): Promise<AskingSettings> {
  const given = {
    library: await namedLibrary(args, 'personas'),
    noPersona: args.choice('no-persona', noSystemKinds),
    noSystemRole: args.choice('no-system-role', systemPlaces),
    instruction: args.text('instruction'),
    answers: args.choices('answers', answerForms),
    templateArguments: templateArguments(args),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as AskingSettings;
}

/**
 * How the run asked whose policy lies in `model`, the folder policy/ of a run; null where it is of none, or of one that cannot be read, which
 * is for whoever reads the run to say.
 */
export async function askingOfRun(model: string): Promise<AskingSettings | null> {
  const config = await configOfRun(model);
  return config && askingIn(config);
}

async function configOfRun(model: string): Promise<RunConfig | null> {
  const path = resolve(model);
  if (basename(path) !== files.policy) return null;
  const run = await new StoredRun(dirname(path)).readRun('').catch(() => null);
  return run && run.config;
}

/** What that run never trained on of the questions of a file; null where there is no such run, or it had no such file. */
export async function splitOfRun(model: string, sha256: string): Promise<HeldOutSplit | null> {
  const tasks = (await configOfRun(model))?.tasks ?? [];
  const set = tasks.find((task) => task.set?.sha256 === sha256)?.set;
  return set ? (set.heldOut ?? usualSplit) : null;
}

/**
 * What the policy in a folder or file brings; null for a miniature, and where its config.json cannot be read, which is for whoever loads it to
 * say. Template arguments that its template never speaks of are left out: not every policy of a family has them.
 */
export async function defaultsOf(model: string): Promise<PolicyDefaults | null> {
  const source = await policySource(model);
  const read = async (file: string) => source.read(file).catch(() => null);
  const config = await read('config.json');
  if (!config) return null;
  let found: PolicyDefaults | null;
  try {
    found = policyDefaults(parsePolicyConfig(parseJsonBytes(config, { file: 'config.json' })));
  } catch {
    return null;
  }
  if (!found?.templateArguments) return found;
  const texts = [await read('chat_template.jinja'), await read('tokenizer_config.json')];
  const template = texts.map((bytes) => (bytes ? new TextDecoder().decode(bytes) : '')).join('\n');
  const known = Object.entries(found.templateArguments).filter(([name]) => template.includes(name));
  return { ...found, templateArguments: Object.fromEntries(known) };
}
