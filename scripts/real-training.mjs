/**
 * `npm run real:training -- RACE EVALUATIONS`: puts RLVR and PerMix of a real policy together from the folder of `permix race`, and from the folders of
 * `permix eval` in EVALUATIONS, named ARM-TASK (base-one-digit-sums …), as the page shows them (docs/real/training.json), and the tables into
 * docs/real/training.md. It asks no policy.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './install.mjs';

const [race, evaluations] = process.argv.slice(2);
if (!race || !evaluations)
  throw new Error('npm run real:training -- RACE EVALUATIONS: the folders of permix race and permix eval (docs/real/training.md)');
const tasks = { 'one-digit-sums': 'One-digit sums', 'one-digit-stories': 'One-step stories' };
/** @param {string} file */
const load = (file) => runnerImport(resolve(root, file), { configFile: false, logLevel: 'error' });
/** @type {{ module: typeof import('../src/study/real-training.ts') }} */
const { module: study } = await load('src/study/real-training.ts');
/** @type {{ module: typeof import('../src/evaluate/picture.ts') }} */
const { module: picture } = await load('src/evaluate/picture.ts');

/** @param {string} file */
const text = (file) => readFileSync(file, 'utf8');
const { ownPrompt: _, ...policy } = JSON.parse(text(resolve(root, 'docs/real/results.json'))).policy;
const trained = study.realArms
  .filter((arm) => arm !== 'base')
  .map((recipe) => ({
    recipe,
    config: JSON.parse(text(join(race, recipe, 'run.json'))).config,
    metrics: text(join(race, recipe, 'metrics.jsonl'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  }));
const asked = study.realArms.map((recipe) => ({
  recipe,
  tasks: Object.entries(tasks).map(([id, name]) => {
    const folder = join(evaluations, `${recipe}-${id}`);
    return { name, report: JSON.parse(text(join(folder, 'report.json'))), cells: text(join(folder, 'cells.jsonl')) };
  }),
}));
const training = await study.realTrainingOf(policy, trained, asked);
writeFileSync(resolve(root, 'docs/real/training.json'), `${JSON.stringify(training)}\n`);

const page = resolve(root, 'docs/real/training.md');
const [before] = text(page).split('\n## Result\n');
writeFileSync(
  page,
  `${before?.trimEnd()}\n\n## Result\n\n${curves()}\n${Object.entries(tasks)
    .map(([id, name]) => table(id, name))
    .join('\n')}`,
);

function curves() {
  const steps = training.curves[0]?.reward.length ?? 0;
  const shown = [1, 5, 10, 15, 20, 30, 40].filter((step) => step <= steps);
  /** @param {(curve: import('../src/study/real-training.ts').RealCurve) => string[]} of */
  const rows = (of) => training.curves.map((curve) => `| ${study.armLabels[curve.recipe]} | ${of(curve).join(' | ')} |`);
  /** @param {number | null | undefined} value @param {number} digits */
  const number = (value, digits) => (value === null || value === undefined ? '–' : value.toFixed(digits));
  const block = (/** @type {string} */ title, /** @type {'reward' | 'entropy' | 'length'} */ name, /** @type {number} */ digits) => [
    `| ${title} at step | ${shown.join(' | ')} |`,
    `| --- | ${shown.map(() => '---').join(' | ')} |`,
    ...rows((curve) => shown.map((step) => number(curve[name][step - 1], digits))),
    '',
  ];
  const measured = [1, 11, 21, 31].filter((step) => step <= steps);
  return [
    ...block('Mean reward of the 32 rollouts', 'reward', 2),
    ...block('Entropy, nats a token,', 'entropy', 2),
    ...block('Tokens of a reply', 'length', 1),
    `| KL to the policy before, nats a token, at step | ${measured.join(' | ')} |`,
    `| --- | ${measured.map(() => '---').join(' | ')} |`,
    ...rows((curve) => measured.map((step) => number(curve.kl[step - 1], 2))),
    '',
  ].join('\n');
}

/** @param {string} task @param {string} name */
function table(task, name) {
  const { rows, columns } = study.trainingPicture(training, task);
  const percent = (/** @type {number | undefined} */ share) => (share === undefined ? '–' : `${(100 * share).toFixed(0)} %`);
  const feet = columns.map((column) => picture.footOf(rows, column));
  return [
    `| ${name}, right | ${columns.map(({ label }) => label).join(' | ')} |`,
    `| --- | ${columns.map(() => '---').join(' | ')} |`,
    ...rows.map(
      ({ label, heldOut }, i) =>
        `| ${label}${heldOut ? ' \\*' : ''} | ${columns.map(({ cells }) => percent(picture.estimateOf(cells[i] ?? null)?.value)).join(' | ')} |`,
    ),
    `| **worst persona** | ${feet.map((foot) => percent(foot?.worst.value)).join(' | ')} |`,
    `| **mean** | ${feet.map((foot) => percent(foot?.mean.value)).join(' | ')} |`,
    `| **PSS**; if personas did not matter | ${feet.map((foot, i) => `${foot?.pss?.value.toFixed(2) ?? '–'}; ${columns[i]?.chance?.toFixed(2) ?? '–'}`).join(' | ')} |`,
    '',
  ].join('\n');
}
