/** `permix settings`: what a --config file may hold, from the schema that checks it, with what a recipe and a policy make of each by themselves. */
import { parseRunConfig } from '../rl/check.ts';
import { namedRecipes } from '../rl/config.ts';
import { runSettings, settingAt, settingMeanings } from '../rl/settings.ts';
import { suited } from '../rl/suited.ts';
import { defaultsOf } from './asking.ts';
import type { Arguments } from './arguments.ts';
import { modelFolder } from './engine.ts';
import { policySource } from './folder.ts';
import type { Output } from './output.ts';

export async function settingsCommand(args: Arguments, out: Output): Promise<void> {
  const recipe = args.choice('recipe', namedRecipes) ?? 'permix';
  const model = modelFolder(args);
  const { id } = await policySource(model);
  const config = { ...suited(parseRunConfig({ recipe }), await defaultsOf(model)), policy: id };
  const settings = runSettings().map(({ path, may }) => ({ path, is: settingAt(config, path), may, means: settingMeanings[path] ?? '' }));
  out.object({ recipe, policy: id, settings });
  out.line(`The settings of a run, in ${recipe} with ${id}. A file for permix train --config holds those that are to be others, as JSON:`);
  out.line('{ "steps": 50, "sampling": { "maxNewTokens": 64 }, "tasks": [{ "id": "addition", "weight": 1 }] }');
  for (const { path, is, may, means } of settings) {
    out.line(`\n${path}${is === undefined ? '' : ` = ${JSON.stringify(is)}`}\n  ${means}\n  ${may}`);
  }
}
