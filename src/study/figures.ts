/** The figures of a study: accuracy by persona, stability, fidelity, the lottery, training. Made of the results alone; the marks are `svg.ts`. */
import { mean } from '../statistics/moments.ts';
import { analysis } from '../evaluate/analysis.ts';
import { armValue, measures, type MeasureName } from './claims.ts';
import type { Arm, Curve, RunResult, StudyResults } from './results.ts';
import { curve, dot, hues, legend, picture, place, rule, span, spread, text, tick, ticks, type Look, type Scale } from '../exchange/svg.ts';

const width = 760;

/** Name → SVG. */
export function studyFigures(results: StudyResults): Readonly<Record<string, string>> {
  return {
    'pss.svg': pssFigure(results),
    'fidelity.svg': fidelityFigure(results),
    'personas.svg': personaFigure(results),
    'lottery.svg': lotteryFigure(results),
    ...(results.arms.some((arm) => runsOf(results, arm).some((run) => run.curve)) ? { 'training.svg': trainingFigure(results) } : {}),
  };
}

/** Recipes keep their colour; where one thing is varied, every arm gets its own. */
function looks({ arms }: StudyResults): (arm: Arm) => Look {
  const often = Math.max(...arms.map(({ recipe }) => arms.filter((other) => other.recipe === recipe).length));
  const table = new Map<string, Look>();
  let next = 0;
  for (const { id, recipe } of arms) {
    const before = arms
      .slice(
        0,
        arms.findIndex((arm) => arm.id === id),
      )
      .filter((arm) => arm.recipe === recipe).length;
    if (often <= 2 || recipe === 'base') table.set(id, { colour: recipe, variant: before });
    else table.set(id, { colour: hues[next % hues.length]!, variant: Math.floor(next++ / hues.length) });
  }
  return ({ id }) => table.get(id)!;
}

function runsOf({ seeds }: StudyResults, { id }: Arm): RunResult[] {
  return seeds.flatMap(({ runs }) => runs.filter(({ arm }) => arm === id));
}

interface Panel {
  readonly title: string;
  readonly measure: MeasureName;
  /** Another value of an arm, drawn as a tick. */
  readonly beside?: { readonly name: string; readonly of: (run: RunResult) => number };
}

function pssFigure(results: StudyResults): string {
  return dotPanels(results, 'How stable is accuracy over personas?', [
    { title: 'PSS, worst / best', measure: 'pss', beside: { name: 'if personas did not matter', of: ({ shuffled }) => shuffled.mean } },
    { title: 'worst persona', measure: 'worst' },
    { title: 'mean of the personas', measure: 'mean' },
  ]);
}

function fidelityFigure(results: StudyResults): string {
  return dotPanels(results, 'Does it still speak as its persona?', [
    { title: 'fidelity, headline', measure: 'fidelity' },
    { title: 'on task replies', measure: 'fidelityTask' },
    { title: 'on role-play replies', measure: 'fidelityRoleplay' },
  ]);
}

/** Arms in rows: every seed a small dot, their mean a large one on its t interval, and the number. */
function dotPanels(results: StudyResults, title: string, panels: readonly Panel[]): string {
  const { arms, seeds } = results;
  const look = looks(results);
  const left = 20 + 6.8 * Math.max(...arms.map(({ label }) => label.length));
  const [top, row] = [66, 24];
  const room = (width - left - 10) / panels.length;
  const bottom = top + row * arms.length;
  const marks = [text(10, 22, title, { kind: 'head' }), text(10, 40, howDrawn(seeds.length), { kind: 'soft' })];
  arms.forEach(({ label }, i) => marks.push(text(10, top + row * (i + 0.5) + 4, label)));
  const said: string[] = [];
  panels.forEach(({ title: name, measure, beside }, p) => {
    const values = arms.map((arm) => armValue(results, arm.id, measure));
    const from = left + p * room;
    const besides = arms.map((arm) => beside && mean(runsOf(results, arm).map(beside.of)));
    const all = [...values.flatMap((value) => value?.values ?? []), ...besides.filter((value) => value !== undefined)];
    if (all.length === 0) return marks.push(text(from, top - 8, `${name}: not measured`, { kind: 'soft' }));
    const scale: Scale = { ...spread(all, 1, 0.12), from, to: from + room - 62 };
    marks.push(text(from, top - 8, name));
    for (const value of ticks(scale, 3)) {
      const x = place(scale, value);
      marks.push(rule(x, top, x, bottom), text(x, bottom + 15, String(value), { anchor: 'middle', kind: 'soft' }));
    }
    arms.forEach((arm, i) => {
      const value = values[i];
      const y = top + row * (i + 0.5);
      if (!value) return;
      const shown = `${arm.label}: ${value.mean.toFixed(3)}${value.half === null ? '' : ` ± ${value.half.toFixed(3)}`}`;
      said.push(`${name}, ${shown}`);
      const within = (x: number) => Math.min(scale.to, Math.max(scale.from, x));
      if (value.half !== null) {
        marks.push(span(within(place(scale, value.mean - value.half)), within(place(scale, value.mean + value.half)), y, look(arm), shown));
      }
      runsOf(results, arm).forEach((run) => {
        const one = measures[measure].of(run);
        if (one !== null) marks.push(dot(place(scale, one), y, 2.5, look(arm), `${arm.label}, seed ${run.seed}: ${one.toFixed(3)}`, true));
      });
      const other = besides[i];
      if (beside && other !== undefined) marks.push(tick(place(scale, other), y, 9, `${arm.label}, ${beside.name}: ${other.toFixed(3)}`));
      marks.push(dot(place(scale, value.mean), y, 4.5, look(arm), shown), text(scale.to + 8, y + 4, value.mean.toFixed(3)));
    });
  });
  const notes = panels.flatMap(({ beside }) => (beside ? [`Dashed: ${beside.name}.`] : []));
  notes.forEach((note) => marks.push(text(10, bottom + 34, note, { kind: 'soft' })));
  return picture(width, bottom + (notes.length > 0 ? 44 : 26), title, said.join('; '), marks);
}

function howDrawn(seeds: number): string {
  return seeds === 1 ? 'One seed: no interval.' : `Small: each of ${seeds} seeds. Large: their mean, with the 95 % t interval.`;
}

/** Arms that fit into one picture: those of the first setting, or of an ablation the reference, its neighbours and its ends. */
function fewArms({ arms, study }: StudyResults): Arm[] {
  if (arms.length <= 6) return [...arms];
  const first = arms.find(({ setting }) => setting !== null)?.setting;
  const own = arms.filter(({ setting }) => setting === null || setting === first);
  if (study.reference === null) return own;
  const varied = arms.filter(({ recipe }) => recipe !== 'base');
  const wanted = new Set([varied[0], varied.find(({ id }) => id === study.reference), varied.at(-1)]);
  return arms.filter((arm) => arm.recipe === 'base' || wanted.has(arm));
}

/** Personas in rows, best first: mean over seeds of each arm's accuracy. */
function personaFigure(results: StudyResults): string {
  const title = 'How often is it right as whom?';
  const look = looks(results);
  const arms = fewArms(results);
  const accuracy = (arm: Arm, p: number) => mean(runsOf(results, arm).map((run) => run.accuracy.personas[p]!));
  const none = (arm: Arm) => mean(runsOf(results, arm).map((run) => run.accuracy.none));
  const first = arms[0]!;
  const order = results.personas.map((persona, p) => ({ persona, p })).toSorted((a, b) => accuracy(first, b.p) - accuracy(first, a.p));
  const rows = [
    { label: 'No persona', of: none },
    ...order.map(({ persona, p }) => ({ label: `${persona.name}${persona.heldOut ? ' *' : ''}`, of: (arm: Arm) => accuracy(arm, p) })),
  ];
  const key = legend(
    10,
    44,
    width - 20,
    arms.map((arm) => ({ label: arm.label, look: look(arm) })),
  );
  const top = 44 + key.height;
  const row = 17;
  const bottom = top + row * rows.length;
  const scale: Scale = { low: 0, high: 1, from: 20 + 6.6 * Math.max(...rows.map(({ label }) => label.length)), to: width - 20 };
  const marks = [text(10, 22, title, { kind: 'head' }), ...key.marks];
  for (const value of ticks(scale, 5)) {
    const x = place(scale, value);
    marks.push(rule(x, top, x, bottom), text(x, bottom + 15, `${Math.round(100 * value)} %`, { anchor: 'middle', kind: 'soft' }));
  }
  rows.forEach(({ label, of }, i) => {
    const y = top + row * (i + 0.5);
    marks.push(text(10, y + 4, label));
    // Side by side where they would hide each other.
    arms.forEach((arm, a) => {
      const own = y + 2.5 * (a - (arms.length - 1) / 2);
      marks.push(dot(place(scale, of(arm)), own, 4, look(arm), `${arm.label}, ${label}: ${of(arm).toFixed(3)}`));
    });
  });
  marks.push(
    text(
      10,
      bottom + 34,
      `Means over ${results.seeds.length} seed${results.seeds.length === 1 ? '' : 's'}. * held out: never trained on.`,
      { kind: 'soft' },
    ),
  );
  const said = arms.map((arm) => `${arm.label}: worst ${Math.min(...rows.slice(1).map(({ of }) => of(arm))).toFixed(3)}`);
  return picture(width, bottom + 44, title, said.join('; '), marks);
}

interface Line {
  readonly arm: Arm;
  readonly points: readonly (readonly [x: number, y: number])[];
}

interface Chart {
  readonly title: string;
  readonly x: string;
  readonly lines: readonly Line[];
}

function lotteryFigure(results: StudyResults): string {
  const lines = results.arms.map((arm) => {
    const runs = runsOf(results, arm);
    return { arm, points: results.personas.map((_, i) => [i + 1, mean(runs.map(({ lottery }) => lottery[i]!))] as const) };
  });
  return lineCharts(results, 'How much is there to win by trying personas?', [
    { title: 'expected accuracy of the best of k personas', x: 'personas tried, k', lines },
  ]);
}

function trainingFigure(results: StudyResults): string {
  const lines = (of: (curve: Curve) => readonly (number | null)[]): Line[] =>
    results.arms.flatMap((arm) => {
      const curves = runsOf(results, arm).flatMap(({ curve: one }) => (one ? [one] : []));
      if (curves.length === 0) return [];
      const points = curves[0]!.step.flatMap((step, i) => {
        const values = curves.map((one) => of(one)[i]).filter((value) => typeof value === 'number');
        return values.length === curves.length ? [[step, mean(values)] as const] : [];
      });
      return points.length > 0 ? [{ arm, points: smooth(points) }] : [];
    });
  return lineCharts(results, 'What happened in training?', [
    { title: 'share of right rollouts', x: 'step', lines: lines(({ reward }) => reward) },
    { title: 'KL to the base, nats per token', x: 'step', lines: lines(({ kl }) => kl) },
    { title: 'entropy, nats per token', x: 'step', lines: lines(({ entropy }) => entropy) },
  ]);
}

function lineCharts(results: StudyResults, title: string, charts: readonly Chart[]): string {
  const look = looks(results);
  const arms = results.arms.filter((arm) => charts.some(({ lines }) => lines.some((line) => line.arm === arm)));
  const key = legend(
    10,
    44,
    width - 20,
    arms.map((arm) => ({ label: arm.label, look: look(arm) })),
  );
  const top = 44 + key.height + 24;
  const height = charts.length === 1 ? 280 : 200;
  const room = (width - 20) / charts.length;
  const marks = [text(10, 22, title, { kind: 'head' }), ...key.marks];
  const said: string[] = [];
  charts.forEach(({ title: name, x: below, lines }, c) => {
    const from = 10 + c * room;
    marks.push(text(from, top - 12, name));
    const points = lines.flatMap((line) => line.points);
    if (points.length === 0) return;
    const across: Scale = {
      low: Math.min(...points.map(([x]) => x)),
      high: Math.max(2, ...points.map(([x]) => x)),
      from: from + 38,
      to: from + room - 16,
    };
    const up: Scale = { ...spread(points.map(([, y]) => y)), from: top + height, to: top };
    for (const value of ticks(up, 4)) {
      const y = place(up, value);
      marks.push(rule(across.from, y, across.to, y), text(across.from - 6, y + 4, String(value), { anchor: 'end', kind: 'soft' }));
    }
    for (const value of ticks(across, 4)) {
      marks.push(text(place(across, value), top + height + 16, String(value), { anchor: 'middle', kind: 'soft' }));
    }
    marks.push(text((across.from + across.to) / 2, top + height + 34, below, { anchor: 'middle', kind: 'soft' }));
    for (const { arm, points: own } of lines) {
      const ends = `${arm.label}: ${own[0]![1].toFixed(3)} at ${own[0]![0]}, ${own.at(-1)![1].toFixed(3)} at ${own.at(-1)![0]}`;
      said.push(`${name}, ${ends}`);
      marks.push(
        curve(
          own.map(([x, y]) => [place(across, x), place(up, y)]),
          look(arm),
          ends,
        ),
      );
      // A line of one point would not be seen.
      if (own.length === 1) marks.push(dot(place(across, own[0]![0]), place(up, own[0]![1]), 3, look(arm), ends));
    }
  });
  const over = `Means over ${results.seeds.length} seed${results.seeds.length === 1 ? '' : 's'}`;
  const smoothed = charts.length > 1 ? `, moving averages of ${analysis.smoothing} steps` : '';
  marks.push(text(10, top + height + 54, `${over}${smoothed}.`, { kind: 'soft' }));
  return picture(width, top + height + 64, title, said.join('; '), marks);
}

/** Over the last points within the declared number of steps. */
function smooth(points: readonly (readonly [x: number, y: number])[]): (readonly [x: number, y: number])[] {
  return points.map(([x], i) => {
    const recent = points.slice(0, i + 1).filter(([other]) => other > x - analysis.smoothing);
    return [x, mean(recent.map(([, y]) => y))] as const;
  });
}
