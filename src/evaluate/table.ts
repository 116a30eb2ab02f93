/** The report as a table, the same one on the page and on the command line: sections, rows, one column per policy. No layout. */
import { mean } from '../statistics/moments.ts';
import type { Accuracy, EvaluationReport, PolicyReport } from './report.ts';
import { headlineProblems } from './stability.ts';
import type { FidelityMeasures } from './fidelity.ts';

/** `share` in [0, 1], shown in percent · `score` a ratio or difference of shares · `nats` · `tokens` */
export type Unit = 'share' | 'score' | 'nats' | 'tokens';

export interface TableRow {
  readonly label: string;
  readonly unit: Unit;
  /** One per column; null: not measured. */
  readonly values: readonly (number | null)[];
  /** 95 % intervals of the values, where the report has some. */
  readonly intervals?: readonly ({ readonly low: number; readonly high: number } | null)[];
}

export interface TableSection {
  readonly title: string;
  readonly rows: readonly TableRow[];
}

export interface ReportTable {
  /** The base first, if there is one. */
  readonly columns: readonly string[];
  readonly sections: readonly TableSection[];
  readonly notes: readonly string[];
}

/** Columns are the base, if there is one, and the policy. */
export function reportTable(report: EvaluationReport): ReportTable {
  const policies = [...(report.base ? [report.base] : []), report.policy];
  const row = (label: string, unit: Unit, value: (policy: PolicyReport) => number | null): TableRow => ({
    label,
    unit,
    values: policies.map(value),
  });
  const accuracyRow = (label: string, of: (policy: PolicyReport) => Accuracy): TableRow => ({
    ...row(label, 'share', (policy) => of(policy).accuracy),
    intervals: policies.map((policy) => ({ low: of(policy).low, high: of(policy).high })),
  });
  const problems = report.data.problemIds.length;
  const count = `${problems} problem${problems === 1 ? '' : 's'}`;
  const asked = report.sampling.temperature === 0 ? 'greedy' : `${report.sampling.samples} at temperature ${report.sampling.temperature}`;
  const sections: TableSection[] = [
    {
      title: `Accuracy (${report.data.name}, ${count} per persona, ${asked})`,
      rows: [
        accuracyRow('no persona', ({ none }) => none),
        ...report.personas.map(({ name, heldOut }, p) => accuracyRow(`${name}${heldOut ? ' *' : ''}`, ({ personas }) => personas[p]!)),
      ],
    },
    {
      title: `Stability over ${report.personas.length} personas${problems < headlineProblems ? ' (few problems)' : ''}`,
      rows: stabilityRows(row),
    },
  ];
  if (policies.some((policy) => policy.expectation)) sections.push(expectationSection(policies, row));
  const last = policies[0]!.none.passAtK.length - 1;
  if (last > 0) {
    sections.push({
      title: 'pass@k, mean over personas',
      rows: policies[0]!.none.passAtK.map(({ k }, i) =>
        row(`pass@${k}`, 'share', ({ personas }) => mean(personas.map((one) => one.passAtK[i]!.value))),
      ),
    });
  }
  sections.push({
    title: 'Persona lottery: expected best of k personas',
    rows: lotteryLevels(report.personas.length).map((k) => row(`k = ${k}`, 'share', ({ lottery }) => lottery[k - 1]!)),
  });
  if (policies.some(({ inference }) => inference)) sections.push(inferenceSection(policies, row));
  if (policies.some(({ fidelity }) => fidelity)) {
    sections.push({ title: 'Persona fidelity', rows: [row('headline', 'share', ({ fidelity }) => fidelity?.headline ?? null)] });
    for (const [kind, title] of [
      ['task', 'Fidelity on task replies'],
      ['roleplay', 'Fidelity on role-play replies'],
    ] as const) {
      const measure = (label: string, unit: Unit, value: (measures: FidelityMeasures) => number | null | undefined) =>
        row(label, unit, ({ fidelity }) => (fidelity ? (value(fidelity[kind]) ?? null) : null));
      // Of all policies alike: the same personas, the same number of replies.
      const measured = policies.flatMap(({ fidelity }) => fidelity ?? [])[0]![kind];
      const [n, styled] = [`(n ${measured.replies})`, `(n ${measured.style?.replies ?? 0})`];
      sections.push({
        title,
        rows: [
          measure(`mean of ${partsOf(measured)}`, 'share', ({ mean }) => mean),
          measure(`style, strict ${styled}`, 'share', ({ style }) => style?.strict),
          measure(`style, loose ${styled}`, 'share', ({ style }) => style?.loose),
          measure(`voice identification ${n}`, 'share', ({ identification }) => identification?.accuracy),
          measure('  its ceiling, on the base', 'share', ({ identification }) => identification?.ceiling),
          measure('  chance', 'share', ({ identification }) => identification?.chance),
          measure(`likelihood identification ${n}`, 'share', ({ likelihood }) => likelihood?.accuracy),
          measure('  chance', 'share', ({ likelihood }) => likelihood?.chance),
          measure('PMI', 'nats', ({ pmi }) => pmi),
        ],
      });
    }
  }
  const { shift } = report;
  if (shift) {
    const only = (label: string, value: number | null): TableRow => ({ label, unit: 'nats', values: [null, value] });
    sections.push({
      title: 'Shift of the log-odds of being right, against the base',
      rows: [
        only('no persona', shift.none),
        only('trained personas, mean', shift.trained?.mean ?? null),
        only('  std over them', shift.trained?.std ?? null),
        only('held-out personas, mean', shift.heldOut?.mean ?? null),
        only('  std over them', shift.heldOut?.std ?? null),
      ],
    });
  }
  const heldOut = report.personas.some((persona) => persona.heldOut) ? ['* by a name: held out, never trained on.'] : [];
  return { columns: policies.map(({ name }) => name), sections, notes: [...heldOut, ...report.notes] };
}

/** What the mean is of: `style, identification and likelihood`, as far as they were measured. */
function partsOf({ style, identification, likelihood }: FidelityMeasures): string {
  const names = Object.entries({ style, identification, likelihood }).flatMap(([name, measured]) => (measured ? [name] : []));
  return names.length < 2 ? (names[0] ?? 'nothing') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function stabilityRows(row: (label: string, unit: Unit, value: (policy: PolicyReport) => number | null) => TableRow): TableRow[] {
  return [
    row('PSS, min / max', 'score', ({ stability }) => stability.all.pss),
    row('  if personas did not matter', 'score', ({ shuffled }) => shuffled.mean),
    row('  p, chance of so low a PSS then', 'score', ({ shuffled }) => shuffled.p),
    row('  bootstrap 2.5 % (descriptive)', 'score', ({ bootstrap }) => bootstrap.low),
    row('  bootstrap 97.5 % (descriptive)', 'score', ({ bootstrap }) => bootstrap.high),
    row('  trained personas', 'score', ({ stability }) => stability.trained?.pss ?? null),
    row('  held-out personas', 'score', ({ stability }) => stability.heldOut?.pss ?? null),
    row('PSS_mean, min / mean', 'score', ({ stability }) => stability.all.pssMean),
    row('mean', 'share', ({ stability }) => stability.all.mean),
    row('worst', 'share', ({ stability }) => stability.all.min),
    row('best', 'share', ({ stability }) => stability.all.max),
    row('spread, max - min', 'score', ({ stability }) => stability.all.spread),
    row('  if personas did not matter', 'score', ({ shuffledSpread }) => shuffledSpread?.mean ?? null),
    row('  its 95 % point', 'score', ({ shuffledSpread }) => shuffledSpread?.high ?? null),
    row('  p, chance of so large a spread then', 'score', ({ shuffledSpread }) => shuffledSpread?.p ?? null),
    row('std over personas', 'score', ({ stability }) => stability.all.std),
    row('worst-case utility, worst - none', 'score', ({ stability }) => stability.all.worstCaseUtility),
    row('item stability', 'score', ({ stability }) => stability.all.itemStability),
  ];
}

/** Rows by what the personas declare, which is the same for every policy. */
function expectationSection(
  policies: readonly PolicyReport[],
  row: (label: string, unit: Unit, value: (policy: PolicyReport) => number | null) => TableRow,
): TableSection {
  const { robustness, orders } = policies.find(({ expectation }) => expectation)!.expectation!;
  const of = ({ expectation }: PolicyReport) => expectation?.robustness ?? null;
  const orderOf = ({ expectation }: PolicyReport, order: string) => expectation?.orders.find((one) => one.order === order) ?? null;
  return {
    title: 'What is expected of the personas (bootstrap over problems, descriptive)',
    rows: [
      {
        ...row(
          `robustness, worst of ${robustness?.personas ?? 0} that should not matter - none`,
          'score',
          (policy) => of(policy)?.value ?? null,
        ),
        intervals: policies.map((policy) => of(policy)?.bootstrap ?? null),
      },
      row('  if they did not matter', 'score', (policy) => of(policy)?.shuffled.mean ?? null),
      row('  p, chance of so low a value then', 'score', (policy) => of(policy)?.shuffled.p ?? null),
      ...orders.map(({ order, personas, ranks }) => ({
        ...row(`order by ${order}, τ-b (${personas} personas, ${ranks} ranks)`, 'score', (policy) => orderOf(policy, order)?.tau ?? null),
        intervals: policies.map((policy) => orderOf(policy, order)?.bootstrap ?? null),
      })),
    ],
  };
}

function inferenceSection(
  policies: readonly PolicyReport[],
  row: (label: string, unit: Unit, value: (policy: PolicyReport) => number | null) => TableRow,
): TableSection {
  const { search, ensemble, validation } = policies.find(({ inference }) => inference)!.inference!;
  const at = (kind: 'search' | 'ensemble', i: number) => (policy: PolicyReport) => policy.inference?.[kind][i] ?? null;
  return {
    title: `Without training: search for a persona on ${validation.problems} problems, or let several vote`,
    rows: [
      row('one persona at random', 'share', ({ inference }) => inference?.single.accuracy ?? null),
      row('  tokens a question', 'tokens', ({ inference }) => inference?.single.cost.each ?? null),
      ...search.flatMap(({ personas }, i) => [
        row(`best of ${personas}, searched`, 'share', (policy) => at('search', i)(policy)?.accuracy ?? null),
        row('  tokens once, to search', 'tokens', (policy) => at('search', i)(policy)?.cost.once ?? null),
        row('  tokens a question', 'tokens', (policy) => at('search', i)(policy)?.cost.each ?? null),
      ]),
      ...ensemble.flatMap(({ personas }, i) => [
        row(`majority of ${personas}`, 'share', (policy) => at('ensemble', i)(policy)?.accuracy ?? null),
        row('  tokens a question', 'tokens', (policy) => at('ensemble', i)(policy)?.cost.each ?? null),
      ]),
    ],
  };
}

/** 1, 2, 3, 5, 10, 20, … and all of them. */
function lotteryLevels(personas: number): number[] {
  return [...[1, 2, 3, 5, 10, 20, 50, 100, 200].filter((k) => k < personas), personas];
}

/** As the table shows it; an en dash where nothing was measured. */
export function formatValue(value: number | null, unit: Unit): string {
  if (value === null) return '–';
  // Without a sign in front of a zero that only rounding left.
  const fixed = (x: number, digits: number) => x.toFixed(digits).replace(/^-(0(?:\.0*)?)$/, '$1');
  if (unit === 'share') return `${fixed(100 * value, 1)} %`;
  if (unit === 'tokens') return Math.round(value).toLocaleString('en-US');
  return fixed(value, 3);
}

/** `17.2 to 34.1`, in the unit of its value. */
export function formatInterval({ low, high }: { readonly low: number; readonly high: number }, unit: Unit): string {
  const bare = (value: number) => formatValue(value, unit).replace(/ %$/, '');
  return `${bare(low)} to ${bare(high)}`;
}
