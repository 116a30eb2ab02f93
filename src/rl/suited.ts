/** A recipe as it suits a policy: with what its family and size bring (`policy-defaults.ts`) in place of the miniature's settings. */
import { changedSettings, parseRunConfig } from './check.ts';
import type { RunConfig } from './config.ts';
import { defaultSettings, type PolicyDefaults } from './policy-defaults.ts';

/** @param defaults of the policy; null: the recipe's */
export const suited = (config: RunConfig, defaults: PolicyDefaults | null): RunConfig =>
  defaults ? parseRunConfig(changedSettings(config, defaultSettings(defaults, config.recipe))) : config;
