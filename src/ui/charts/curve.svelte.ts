/**
 * An attachment that draws curves over steps with uPlot: raw values as a ghost, the moving average on top, a band where
 * there is a spread. It reads colours from the stylesheet and data through functions, and holds no state of its own.
 */
import type { Attachment } from 'svelte/attachments';
import type uPlot from 'uplot';

export interface DrawnCurve {
  readonly label: string;
  /** A CSS custom property name, `--recipe-permix`. */
  readonly colour: string;
  readonly raw: readonly (number | null)[];
  readonly line: readonly (number | null)[];
  /** Of the line, as SVG has it; absent: solid. */
  readonly dash?: readonly number[];
  readonly band?: { readonly low: readonly (number | null)[]; readonly high: readonly (number | null)[] };
}

export interface Picture {
  readonly steps: ArrayLike<number>;
  /** The step that the axis reaches to; null: the newest. */
  readonly end: number | null;
  readonly curves: readonly DrawnCurve[];
  readonly height: number;
  /** Fixed limits; null fits the data, from zero where it is near. */
  readonly range: readonly [number, number] | null;
  /** Drawn anew when it changes, because colours are read once: the theme. */
  readonly look: string;
}

export type { uPlot };

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(Plot: typeof uPlot, picture: Picture, width: number, onHover: (index: number | null) => void): uPlot.Options {
  const ink = token('--ink-3');
  const rule = token('--rule');
  const size = Math.round(0.76 * parseFloat(getComputedStyle(document.documentElement).fontSize));
  const font = `${size}px ${token('--font')}`;
  const series: uPlot.Series[] = [{ label: 'Step' }];
  const bands: uPlot.Band[] = [];
  for (const curve of picture.curves) {
    const colour = token(curve.colour);
    const from = series.length;
    const few = (plot: uPlot) => plot.data[0].length < 3;
    series.push({
      stroke: `color-mix(in srgb, ${colour} 30%, transparent)`,
      width: 1,
      points: { show: few, size: 5, fill: colour },
      spanGaps: true,
    });
    const dash = curve.dash?.length ? { dash: [...curve.dash] } : {};
    // Runs that are laid over each other were not asked at the same steps.
    series.push({ label: curve.label, stroke: colour, width: 2.25, points: { show: false }, spanGaps: true, ...dash });
    if (curve.band) {
      series.push({ stroke: 'transparent', points: { show: false } }, { stroke: 'transparent', points: { show: false } });
      bands.push({ series: [from + 3, from + 2], fill: `color-mix(in srgb, ${colour} 8%, transparent)` });
    }
  }
  const fit: uPlot.Range.Config = { min: { pad: 0.1, soft: 0, mode: 2 }, max: { pad: 0.1, soft: 0.01, mode: 2 } };
  return {
    width,
    height: picture.height,
    // Room for half of the last step number.
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, sync: { key: 'run' }, drag: { x: true, y: false, setScale: true } },
    scales: {
      // A part that was zoomed into stays as it is.
      x: {
        time: false,
        range: ({ data }, min, max) => [min, Math.max(max, min + 1, max === data[0].at(-1) ? (picture.end ?? 0) : 0)],
      },
      y: { range: picture.range ? [...picture.range] : (_, min, max) => Plot.rangeNum(min, max, fit) },
    },
    axes: [
      {
        stroke: ink,
        font,
        size: 26,
        gap: 4,
        space: 60,
        grid: { show: false },
        ticks: { show: false },
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
      },
      { stroke: ink, font, size: 46, gap: 6, space: 34, grid: { stroke: rule, width: 1 }, ticks: { show: false } },
    ],
    series,
    bands,
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx ?? null)] },
  };
}

function columns(picture: Picture): uPlot.AlignedData {
  const data: (number | null)[][] = [Array.from(picture.steps)];
  for (const { raw, line, band } of picture.curves) {
    data.push([...raw], [...line]);
    if (band) data.push([...band.low], [...band.high]);
  }
  return data as unknown as uPlot.AlignedData;
}

export function curves(picture: () => Picture, onHover: (index: number | null) => void): Attachment<HTMLElement> {
  return (element) => {
    let Plot = $state.raw<typeof uPlot | null>(null);
    let plot: uPlot | null = null;
    let drawn = '';
    void import('./uplot.ts').then((module) => (Plot = module.default));

    $effect(() => {
      const now = picture();
      if (!Plot) return;
      // Colours and the set of curves are fixed when a plot is made; only numbers flow afterwards.
      const shape = JSON.stringify([now.look, now.height, now.range, now.curves.map(({ colour, band, dash }) => [colour, !!band, dash])]);
      if (!plot || shape !== drawn) {
        plot?.destroy();
        plot = new Plot(options(Plot, now, element.clientWidth, onHover), columns(now), element);
        drawn = shape;
      } else {
        plot.setData(columns(now));
      }
    });

    const observer = new ResizeObserver(() => {
      if (plot && element.clientWidth > 0) plot.setSize({ width: element.clientWidth, height: plot.height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot?.destroy();
      plot = null;
    };
  };
}
