/** A report as a reader looks at it: the rows in groups, each beside its target and what was kept elsewhere. Pure; the page draws it. */
import { kept, type Kept } from './kept.ts';
import { figureOf, onlyRatios, rowSpecs, short, type EngineLabel, type Report, type RowName, type RowSpec } from './report.ts';

export interface ShownRow {
  readonly name: RowName;
  readonly what: string;
  /** The engine that the row is about, and what it reached; null: not measured, or a time that is no result. */
  readonly engine: EngineLabel;
  readonly figure: string | null;
  /** tfjs in the same run, likewise. */
  readonly portable: string | null;
  /** How many times as fast as the portable engine. */
  readonly ratio: string | null;
  readonly target: string;
  readonly kept: readonly { readonly where: string; readonly figures: string }[];
}

export interface ShownGroup {
  readonly title: string;
  readonly rows: readonly ShownRow[];
}

export interface LeftRows {
  readonly why: string;
  readonly what: readonly string[];
}

const groups: readonly { readonly title: string; readonly has: RegExp }[] = [
  { title: 'Training on WebGPU', has: /^(trainStep\.(d|encode|javascript)|costPerToken|selfCheck)/ },
  { title: 'Replies on WebGPU', has: /^(rollout|decodeToken)/ },
  { title: 'Forms of kernels on WebGPU', has: /^forms\./ },
  { title: 'On WebAssembly', has: /^host\./ },
  // What is only planned is the same everywhere.
  { title: 'Memory', has: /^trainStep\.memory$/ },
];

/** Rows with a figure or a ratio; groups without any are not there. */
export function shownGroups(report: Report): readonly ShownGroup[] {
  return groups
    .map(({ title, has }) => ({
      title,
      rows: rowSpecs.filter(({ name }) => has.test(name)).flatMap((spec: RowSpec) => shownRow(report, spec) ?? []),
    }))
    .filter(({ rows }) => rows.length > 0);
}

/** Those of this project's engines that are not there, by the reason. */
export function leftRows({ rows }: Report): readonly LeftRows[] {
  const reasons = new Map<string, string[]>();
  for (const { name, engine, reason } of rows) {
    if (!reason || engine === 'jax-js') continue;
    const what = rowSpecs.find((spec) => spec.name === name)!.what;
    const list = reasons.get(reason) ?? [];
    if (!list.includes(what)) list.push(what);
    reasons.set(reason, list);
  }
  return [...reasons].map(([why, what]) => ({ why, what }));
}

function shownRow(report: Report, { name, what, unit, target, engines }: RowSpec): ShownRow | null {
  const of = (engine: EngineLabel) => report.rows.find((row) => row.name === name && row.engine === engine)?.median ?? null;
  const engine = !engines || engines.includes('fused') ? 'fused' : engines.includes('wasm') ? 'wasm' : 'portable';
  const own = of(engine);
  const portable = engine === 'portable' ? null : of('portable');
  if (own === null && portable === null) return null;
  const said = (value: number | null) => (value === null || (report.software && onlyRatios(unit)) ? null : figureOf(value, unit));
  const ratio = report.ratios[name as RowName]?.[`${engine}/portable`] ?? null;
  return {
    name: name as RowName,
    what,
    engine,
    figure: said(own),
    portable: said(portable),
    ratio: ratio === null ? null : `${short(ratio)}×`,
    target,
    kept: kept.flatMap(({ where, rows }) => {
      const figures = rows[name as RowName];
      return figures ? [{ where, figures: figures.map(keptFigure).join(', ') }] : [];
    }),
  };
}

const keptFigure = ({ engine, figure }: Kept): string => `${engine} ${figure}`;
