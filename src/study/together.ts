/**
 * A study's headline beside every other seed that was run with its setting, by whomever, and all of them as one. The first seeds of a claim are the ones that
 * suggested it; what they say alone is not what is known. Other seeds are declared in a file beside the study (`others.json`); nothing is run here.
 */
import { z } from '../schema.ts';
import { LabError } from '../errors.ts';
import { equivalence, fromInterval, pool, ratioInterval, summariseLogRatios, type LogRatios } from '../statistics/equivalence.ts';
import { analysis } from '../evaluate/analysis.ts';
import { declaredClaims, measures, type Declared } from './claims.ts';
import type { SeedGroup, StudyResults, Together } from './results.ts';

const ratio = z.number().check(z.positive());
const othersSchema = z.object({
  format: z.literal('permix-other-seeds'),
  /** The setting of the study's arms that they share. */
  setting: z.string(),
  sources: z.array(
    z.object({
      label: z.string(),
      /** A study's results.json, relative to this file; or, where there is none to read, what was told of each claim. */
      results: z.optional(z.string()),
      claims: z.optional(
        z.record(
          z.string(),
          z.union([
            z.object({ pairs: z.array(z.tuple([ratio, ratio])) }),
            z.object({ seeds: z.number().check(z.gte(2)), ratio, low: ratio, high: ratio }),
          ]),
        ),
      ),
    }),
  ),
});

export type OtherSeeds = z.infer<typeof othersSchema>;

/** @throws LabError 'format' saying what is wrong and where */
export function parseOthers(json: unknown, file: string): OtherSeeds {
  const parsed = othersSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new LabError('format', `${file} does not list other seeds: ${z.prettifyError(parsed.error)}.`, 'Correct it, or take it away.');
}

/** A source that is a study itself comes with its results. */
export interface ReadSource {
  readonly source: OtherSeeds['sources'][number];
  readonly results: StudyResults | null;
}

/** For each of the paper's claims that every source has a number for. Empty without other seeds. */
export function together(own: StudyResults, setting: string, others: readonly ReadSource[]): Together[] {
  if (others.length === 0) return [];
  return declaredClaims
    .filter(({ source, keeps }) => source === 'paper' && keeps === undefined)
    .flatMap((claim) => {
      const mine = logRatiosOf(own, claim, setting);
      const theirs = others.map(({ source, results }) => (results ? logRatiosOf(results, claim, setting) : told(source, claim.id)));
      const known = theirs.filter((group) => group !== null);
      if (!mine || known.length < theirs.length) return [];
      const labels = others.map(({ source }) => source.label);
      return [
        {
          id: claim.id,
          statement: claim.statement,
          measure: measures[claim.measure].name,
          setting,
          sources: [group('this study', mine), ...known.map((one, i) => group(labels[i]!, one))],
          fresh: group('all fresh seeds', pool(known)),
          all: group('all seeds', pool([mine, ...known])),
        },
      ];
    });
}

function group(label: string, ratios: LogRatios): SeedGroup {
  const interval = ratioInterval(ratios, analysis.confidence);
  return {
    label,
    seeds: ratios.seeds,
    ratio: Math.exp(ratios.mean),
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    equivalence: equivalence(ratios, analysis.smallestEffect, analysis.confidence),
  };
}

function told(source: OtherSeeds['sources'][number], id: string): LogRatios | null {
  const claim = source.claims?.[id];
  if (!claim) return null;
  if ('pairs' in claim) return summariseLogRatios(claim.pairs.map(([more, less]) => Math.log(more / less)));
  return fromInterval(claim.seeds, claim.ratio, claim.low, claim.high, analysis.confidence);
}

function logRatiosOf(results: StudyResults, claim: Declared, setting: string): LogRatios | null {
  const arm = (recipe: string) =>
    results.arms.find((one) => one.recipe === recipe && one.setting === setting) ??
    results.arms.find((one) => one.recipe === recipe && one.setting === null);
  const [more, less] = [arm(claim.more), arm(claim.less)];
  if (!more || !less) return null;
  const values = results.seeds.map(({ runs }) => {
    const [a, b] = [more, less].map(({ id }) => runs.find((run) => run.arm === id)).map((run) => run && measures[claim.measure].of(run));
    return a && b ? Math.log(a / b) : null;
  });
  const known = values.filter((value) => value !== null);
  return known.length > 0 && known.length === values.length ? summariseLogRatios(known) : null;
}
