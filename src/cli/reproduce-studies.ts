/** The studies there are: the comparison of methods, the ablations, and free sweeps from a file. Arms only; running them is `reproduce.ts`. */
import { LabError } from '../errors.ts';
import { analysis } from '../evaluate/analysis.ts';
import { personas } from '../persona/world.ts';
import { Purpose, Stream } from '../random/counter.ts';
import { namedRecipes, type RecipeName } from '../rl/config.ts';
import type { PlannedArm, StudyPlan } from './reproduce-plan.ts';

export const methods = namedRecipes;
export type Method = (typeof methods)[number];

const names: Readonly<Record<Method, string>> = { base: 'Base', sft: 'SFT', distill: 'Distillation', rlvr: 'RLVR', permix: 'PerMix' };

type Settings = Readonly<Record<string, unknown>>;

function arm(id: string, label: string, recipe: RecipeName, setting: string | null, settings: Settings = {}, base = 0): PlannedArm {
  return { id, label, recipe, setting, settings: () => settings, teacher: null, base };
}

const theBase = arm('base', names.base, 'base', null);
const withBeta = (beta: number): Settings => ({ objective: { beta, kl: beta > 0 ? 'k3' : 'none' } });

/** All methods on the same base, data, seeds and steps; RLVR and PerMix once for every KL weight. */
export function comparison(chosen: readonly Method[], betas: readonly number[]): StudyPlan {
  const headline = betas.includes(analysis.headlineBeta) ? analysis.headlineBeta : betas[0]!;
  const rl = betas.flatMap((beta) =>
    (['rlvr', 'permix'] as const)
      .filter((method) => chosen.includes(method))
      .map((method) => arm(`${method}-beta${beta}`, `${names[method]}, β ${beta}`, method, `β ${beta}`, withBeta(beta))),
  );
  // Of its teacher's setting: against other policies it would not be "from it".
  const taught = { ...arm('distill', names.distill, 'distill', `β ${headline}`), teacher: `permix-beta${headline}` };
  return {
    name: 'comparison',
    title: 'RLVR against PerMix-RLVR, and what one could do instead',
    arms: [
      theBase,
      ...(chosen.includes('sft') ? [arm('sft', names.sft, 'sft', null)] : []),
      ...(chosen.includes('distill') ? [taught] : []),
      ...rl,
    ],
    reference: null,
  };
}

const trainable = personas.filter(({ heldOut }) => !heldOut);

/** n of the training personas, other ones for every seed, and each choice part of the larger ones. */
function somePersonas(n: number, seed: number): Settings {
  const chosen = new Stream(seed, Purpose.persona, 0xffffffff).shuffle(trainable).slice(0, n);
  return { mix: { weights: n === trainable.length ? {} : Object.fromEntries(chosen.map(({ id }) => [id, 1])) } };
}

const bothWays = (id: string, label: string, settings: Settings, base = 0) =>
  (['rlvr', 'permix'] as const).map((method) => arm(`${method}-${id}`, `${names[method]}, ${label}`, method, label, settings, base));

/** One thing varied at a time, everything else as PerMix with the headline's KL weight. */
export const ablations: Readonly<Record<string, { readonly summary: string; readonly plan: () => StudyPlan }>> = {
  'none-share': {
    summary: 'the share of training prompts without a persona, 0 … 1',
    plan: () => ({
      name: 'none-share',
      title: 'How many of the training prompts carry a persona?',
      arms: [
        theBase,
        ...[0, 0.25, 0.5, 0.75, 0.9, 1].map((share) =>
          arm(`none${share}`, `no persona ${100 * share} %`, 'permix', `${share}`, { mix: { noneShare: share } }),
        ),
      ],
      reference: 'none0.5',
    }),
  },
  personas: {
    summary: 'the number of training personas, 1 … 32',
    plan: () => ({
      name: 'personas',
      title: 'How many personas have to be mixed in?',
      arms: [
        theBase,
        ...[1, 2, 4, 8, 16, trainable.length].map((n) => ({
          ...arm(`personas${n}`, `${n} persona${n === 1 ? '' : 's'}`, 'permix', `${n}`),
          settings: (seed: number) => somePersonas(n, seed),
        })),
      ],
      reference: `personas${trainable.length}`,
    }),
  },
  draw: {
    summary: 'one persona per prompt, or one per rollout',
    plan: () => ({
      name: 'draw',
      title: 'Should the rollouts of a group share their persona?',
      arms: [
        theBase,
        ...(['prompt', 'rollout'] as const).map((draw) => arm(`draw-${draw}`, `one per ${draw}`, 'permix', draw, { mix: { draw } })),
      ],
      reference: 'draw-prompt',
    }),
  },
  beta: {
    summary: 'the weight of the KL to the base, for RLVR and PerMix',
    plan: () => ({
      name: 'beta',
      title: 'How much KL to the base?',
      arms: [theBase, ...[0, 0.005, 0.01, 0.02, 0.05, 0.1].flatMap((beta) => bothWays(`beta${beta}`, `β ${beta}`, withBeta(beta)))],
      reference: `permix-beta${analysis.headlineBeta}`,
    }),
  },
  std: {
    summary: 'advantages divided by the standard deviation of their group, or not',
    plan: () => ({
      name: 'std',
      title: 'Does dividing advantages by their deviation matter?',
      arms: [
        theBase,
        ...bothWays('std', 'with std', { objective: { advantage: 'group-std' } }),
        ...bothWays('nostd', 'without std', { objective: { advantage: 'group' } }),
      ],
      reference: 'permix-std',
    }),
  },
  world: {
    summary: 'another coupling of style and competence in the base; needs --base',
    plan: () => ({
      name: 'world',
      title: 'What if the base couples style and competence otherwise?',
      arms: [
        { ...arm('base-bundled', 'Base, bundled', 'base', 'bundled') },
        ...bothWays('bundled', 'bundled', {}),
        { ...arm('base-other', 'Base, other world', 'base', 'other world', {}, 1) },
        ...bothWays('other', 'other world', {}, 1),
      ],
      reference: 'permix-bundled',
    }),
  },
};

/** What the ablation of the world cannot do by itself. */
export const worldNeeds =
  'It compares the bundled base, whose personas speak in their own voice in most replies (latent style), with a base pre-trained on another ' +
  'world, where they always do (hard style). That takes two commands: npm run pretrain -- --style hard --out DIR (about an hour), then ' +
  'npm run reproduce -- --ablation world --base DIR.';

/**
 * A sweep: a JSON object, label → settings as in a --config file. The recipe is PerMix where an arm names none; the first arm is the reference.
 * @throws LabError 'format' naming the file
 */
export function sweep(json: unknown, file: string): StudyPlan {
  const wrong = (what: string) =>
    new LabError(
      'format',
      `${file}: ${what}.`,
      'A sweep is a JSON object such as {"G 8": {}, "G 16": {"groupSize": 16}}: label → settings.',
    );
  const isRecord = (value: unknown): value is Settings => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isRecord(json)) throw wrong('this is not a JSON object');
  const entries = Object.entries(json);
  if (entries.length === 0) throw wrong('there is no arm in it');
  const arms = entries.map(([label, settings], i) => {
    if (!isRecord(settings)) throw wrong(`the settings of "${label}" are not a JSON object`);
    for (const name of ['seed', 'steps', 'policy']) {
      if (name in settings) throw wrong(`"${label}" sets ${name}, which is the same for all arms (an option of the command)`);
    }
    const { recipe = 'permix', ...rest } = settings;
    if (!(['sft', 'rlvr', 'permix', 'custom'] as unknown[]).includes(recipe))
      throw wrong(`"${label}" has the recipe ${JSON.stringify(recipe)}; a sweep takes sft, rlvr, permix or custom`);
    return arm(`arm${i + 1}`, label, recipe as RecipeName, label, rest);
  });
  return { name: 'sweep', title: `Sweep: ${file}`, arms: [theBase, ...arms], reference: 'arm1' };
}
