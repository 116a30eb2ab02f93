/** The numbers of a study as a Markdown table and as sentences. Layout of the whole page is `files.ts`. */
import { mean } from '../statistics/moments.ts';
import type { Equivalence } from '../statistics/equivalence.ts';
import { analysis } from '../evaluate/analysis.ts';
import { armValue, compare, judgeClaims, measures, type ClaimResult, type MeasureName } from './claims.ts';
import type { StudyResults, Together } from './results.ts';

/** In the order of the table. */
const columns: readonly MeasureName[] = [
  'none',
  'mean',
  'worst',
  'spread',
  'pss',
  'pssHeldOut',
  'fidelity',
  'fidelityTask',
  'fidelityRoleplay',
];

/** One row per arm: mean over seeds ± half of the t interval. */
export function armTable(results: StudyResults): string {
  const nullCell = (arm: string) => {
    const runs = results.seeds.flatMap(({ runs }) => runs.filter((run) => run.arm === arm));
    return number(mean(runs.map((run) => run.shuffled.mean)));
  };
  const head = ['arm', ...columns.map((name) => measures[name].name), 'PSS if personas did not matter'];
  return markdown(
    head,
    results.arms.map(({ id, label }) => [label, ...columns.map((name) => valueCell(results, id, name)), nullCell(id)]),
  );
}

/** Each claim with effect, interval and verdict; a table for every setting. */
export function claimTable(results: StudyResults): string {
  const sources = { paper: 'the paper', theory: 'its theory, as read here', comparison: 'for comparison' };
  const claims = judgeClaims(results);
  const settings = [...new Set(claims.map(({ setting }) => setting))];
  return settings
    .flatMap((setting) => [
      ...(settings.length > 1 ? [`### ${setting}`] : []),
      markdown(
        ['claim', 'from', 'compared', 'effect', '95 % interval', `within ±${margin}`, 'verdict'],
        claims
          .filter((claim) => claim.setting === setting)
          .map((claim) => [
            claim.statement,
            sources[claim.source],
            `${claim.measure}: ${label(results, claim.more)} / ${label(results, claim.less)}`,
            effect(claim),
            interval(claim),
            within(claim.equivalence),
            `**${claim.verdict}**`,
          ]),
      ),
    ])
    .join('\n\n');
}

const margin = `${100 * analysis.smallestEffect} %`;

/** "yes (×0.98 … ×1.02)": whether an effect is shown to be too small to matter, with the 90 % interval that decides it. */
function within(found: Equivalence | null, digits = 2): string {
  if (!found) return '–';
  return `${{ equivalent: 'yes', larger: 'larger', open: 'open' }[found.reading]} (${interval(found, digits)})`;
}

/** Each claim of which other seeds say something: a table for every claim, a row for every source. */
export function togetherTable(claims: readonly Together[]): string {
  return claims
    .map(({ statement, setting, sources, fresh, all }) =>
      [
        `### ${statement}, ${setting}`,
        markdown(
          ['seeds', 'number', 'effect', '95 % interval', `within ±${margin}`],
          [...sources, fresh, all].map((one, i) => {
            const cells = [one.label, String(one.seeds), effect(one, 3), interval(one, 3), within(one.equivalence, 3)];
            return i < sources.length ? cells : cells.map((cell) => `**${cell}**`);
          }),
        ),
      ].join('\n\n'),
    )
    .join('\n\n');
}

/** For the terminal. */
export function togetherLines({ together }: StudyResults): string[] {
  if (!together?.length) return [];
  return [
    '',
    'All seeds together:',
    ...together.map(
      ({ statement, all }) =>
        `  ${statement}: ${effect(all, 3)}, ${interval(all, 3)}; within ±${margin}: ${within(all.equivalence, 3)}; ${all.seeds} seeds`,
    ),
  ];
}

/** Where one thing is varied: every arm against the reference. */
export function contrastTable(results: StudyResults): string | null {
  const { reference } = results.study;
  if (reference === null) return null;
  const names: readonly MeasureName[] = ['pss', 'fidelity', 'mean', 'none'];
  const others = results.arms.filter(({ id }) => id !== reference);
  return markdown(
    [`against ${label(results, reference)}`, ...names.map((name) => measures[name].name)],
    others.map(({ id, label: name }) => [
      name,
      ...names.map((measure) => {
        const contrast = compare(results, measure, id, reference);
        return `${effect(contrast)}${contrast.low === null ? '' : ` (${interval(contrast)})`}`;
      }),
    ]),
  );
}

/** Search and votes without training, beside what one reply costs. */
export function inferenceTable(results: StudyResults): string {
  const rows = results.arms.flatMap(({ id, label: name }) => {
    const runs = results.seeds.flatMap(({ runs }) => runs.filter((run) => run.arm === id));
    return (['search', 'ensemble'] as const).flatMap((kind) =>
      runs[0]!.inference[kind].map(({ personas }, i) => {
        const points = runs.map((run) => run.inference[kind][i]!);
        const what = kind === 'search' ? `best of ${personas} on a validation set` : `vote of ${personas}`;
        return [
          name,
          what,
          number(mean(points.map(({ accuracy }) => accuracy))),
          Math.round(mean(points.map(({ cost }) => cost.once))).toLocaleString('en-US'),
          Math.round(mean(points.map(({ cost }) => cost.each))).toLocaleString('en-US'),
        ];
      }),
    );
  });
  return markdown(['arm', 'answer', 'accuracy', 'tokens once', 'tokens per question'], rows);
}

/** For the terminal: arms in aligned columns, then a claim a line. */
export function summaryTable(results: StudyResults): string[] {
  const short: Partial<Record<MeasureName, string>> = {
    none: 'no persona',
    mean: 'mean',
    worst: 'worst',
    pss: 'PSS',
    fidelity: 'fidelity',
  };
  const names = Object.keys(short) as MeasureName[];
  const rows = [
    ['', ...names.map((name) => short[name]!)],
    ...results.arms.map(({ id, label: name }) => [name, ...names.map((measure) => valueCell(results, id, measure))]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '));
}

/** A line a claim: statement, verdict, effect with its interval; by setting where there are several. */
export function claimLines(results: StudyResults): string[] {
  const claims = judgeClaims(results);
  const settings = [...new Set(claims.map(({ setting }) => setting))];
  return settings.flatMap((setting) => [
    ...(setting === null ? [] : [`With ${setting}:`]),
    ...claims
      .filter((claim) => claim.setting === setting)
      .map((claim) => `${setting === null ? '' : '  '}${claim.statement}: ${claim.verdict} (${effectSentence(claim)})`),
  ]);
}

function valueCell(results: StudyResults, arm: string, name: MeasureName): string {
  const value = armValue(results, arm, name);
  return value ? `${number(value.mean)}${value.half === null ? '' : ` ± ${number(value.half)}`}` : '–';
}

function effectSentence(claim: ClaimResult): string {
  if (claim.ratio === null) return claim.reason;
  const above = claim.threshold === 1 ? '' : `, to exceed ${claim.threshold}`;
  return `${effect(claim)}${claim.low === null ? '' : `, ${interval(claim)}`}${above}; ${claim.seeds} seed${claim.seeds === 1 ? '' : 's'}${claim.equivalence ? `; within ±${margin}: ${within(claim.equivalence)}` : ''}`;
}

/** "×1.21 (+21 %)"; of several times nobody thinks in per cent. */
function effect({ ratio }: { readonly ratio: number | null }, digits = 2): string {
  if (ratio === null) return '–';
  return ratio >= 5 ? `×${ratio.toFixed(1)}` : `×${ratio.toFixed(digits)} (${percent(ratio)})`;
}

function interval({ low, high }: { readonly low: number | null; readonly high: number | null }, digits = 2): string {
  return low === null || high === null ? '–' : `×${low.toFixed(digits)} … ×${high.toFixed(digits)}`;
}

function percent(ratio: number): string {
  const value = 100 * (ratio - 1);
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)} %`;
}

function number(value: number): string {
  return value.toFixed(3);
}

function label({ arms }: StudyResults, id: string): string {
  return arms.find((arm) => arm.id === id)!.label;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
