/** What an evaluation found, as one plain object that survives JSON. How it is found is `evaluate.ts`; how it is shown is `table.ts`. */
import type { Asking } from './asking.ts';
import { replyKinds } from './request.ts';
import type { Expected, PersonaKind } from '../persona/persona.ts';
import { csvTable, type CsvCell } from './csv.ts';
import type { Expectation } from './expectation.ts';
import type { FidelityMeasures } from './fidelity.ts';
import type { InferenceAnswers, InferencePoint } from './inference.ts';
import type { DescriptiveInterval, ShuffledNull } from './resample.ts';
import type { Stability } from './stability.ts';

export const reportFormat = 'permix-evaluation';
export const reportVersion = 1;

export interface EvaluationReport {
  readonly format: typeof reportFormat;
  readonly version: typeof reportVersion;
  readonly data: {
    readonly name: string;
    /** Problems per persona: the same for every persona and policy, in this order. */
    readonly problemIds: readonly string[];
    /** Questions of the source that could not be asked, by reason. */
    readonly leftOut: Readonly<Record<string, number>>;
  };
  readonly sampling: {
    /** 0: greedy. */
    readonly temperature: number;
    readonly samples: number;
    readonly maxNewTokens: number;
    readonly seed: number;
  };
  /** How the policies were asked and their replies read; absent in reports of earlier versions. */
  readonly asking?: Asking;
  readonly personas: readonly ReportedPersona[];
  /** The policy that is evaluated, and the frozen base it is compared with and scored by; null: it was its own base. */
  readonly policy: PolicyReport;
  readonly base: PolicyReport | null;
  /** Against the base; null without one. */
  readonly shift: LogOddsShift | null;
  /** What a reader has to know before quoting a number, a sentence each. */
  readonly notes: readonly string[];
}

export interface ReportedPersona {
  readonly id: string;
  readonly name: string;
  readonly voice: string | null;
  readonly kind: PersonaKind;
  /** Never trained on. */
  readonly heldOut: boolean;
  /** What its file expects of it; absent: nothing, and in reports of earlier versions. */
  readonly expected?: Expected;
}

export interface PolicyReport {
  readonly name: string;
  /** What its chat template says by itself where there is no persona; null: nothing. Absent in reports of earlier versions. */
  readonly ownPrompt?: string | null;
  /** Without a persona. */
  readonly none: Accuracy;
  /** [P] in the order of the report's personas. */
  readonly personas: readonly Accuracy[];
  /** Over all personas, and over those trained on and those held out; null for fewer than two. */
  readonly stability: { readonly all: Stability; readonly trained: Stability | null; readonly heldOut: Stability | null };
  /** PSS if the personas did not matter. */
  readonly shuffled: ShuffledNull;
  /** The spread, if the personas did not matter; absent in reports of earlier versions. */
  readonly shuffledSpread?: ShuffledNull;
  /** PSS over resampled problems: descriptive only, it decides nothing. */
  readonly bootstrap: DescriptiveInterval;
  /** Whether it does what the personas' file expects of them; absent in reports of earlier versions. */
  readonly expectation?: Expectation;
  /** [P] expected best of k = 1 .. P personas. */
  readonly lottery: readonly number[];
  readonly fidelity: Fidelity | null;
  /** What one could do about the lottery without training, on the same replies; absent in reports of earlier versions. */
  readonly inference?: InferenceReport;
}

/** Tokens are those of prompt and reply. */
export interface InferenceReport extends InferenceAnswers {
  readonly single: InferencePoint;
  /** The search's sets, and the problems of each. */
  readonly validation: { readonly sets: number; readonly problems: number };
}

export interface Accuracy {
  /** Null: no persona. */
  readonly personaId: string | null;
  readonly accuracy: number;
  /** Wilson's 95 % interval over problems. */
  readonly low: number;
  readonly high: number;
  /** [N] right samples of each problem. */
  readonly correct: readonly number[];
  readonly passAtK: readonly { readonly k: number; readonly value: number }[];
  /** Replies in which no answer was found. */
  readonly unanswered: number;
  /** Replies that were cut at the limit. */
  readonly truncated: number;
}

export interface Fidelity {
  /** Task and role-play replies count equally; null unless both were measured. */
  readonly headline: number | null;
  readonly task: FidelityMeasures;
  readonly roleplay: FidelityMeasures;
}

/** logit a - logit a_base, nats, half a success and half a failure added to each. */
export interface LogOddsShift {
  readonly none: number;
  /** [P] */
  readonly personas: readonly number[];
  /** Over personas (std divided by their number): where training moved all of them alike, std is small against mean. */
  readonly trained: MeanStd | null;
  readonly heldOut: MeanStd | null;
}

export interface MeanStd {
  readonly mean: number;
  readonly std: number;
}

/** The report as it is saved. */
export function reportJson(report: EvaluationReport): string {
  return `${JSON.stringify(report, null, 1)}\n`;
}

/**
 * Every number of the reports in one tidy table: policy, persona (empty where a number is about all of them, `none` for no persona),
 * measure, value. What could not be measured has no row. Several reports are of several policies against one base, whose rows come once.
 */
export function reportCsv(...reports: readonly EvaluationReport[]): string {
  const rows = reports.flatMap((report, i) => csvRows(report).filter(([role]) => i === 0 || role !== 'base'));
  return csvTable(['role', 'policy', 'persona', 'measure', 'value'], rows);
}

function csvRows(report: EvaluationReport): (readonly CsvCell[])[] {
  const rows: (readonly [policy: string, persona: string, measure: string, value: number | string | null])[] = [];
  for (const [role, policy] of [
    ['policy', report.policy],
    ['base', report.base],
  ] as const) {
    if (!policy) continue;
    rows.push([role, 'none', 'system prompt of the template', policy.ownPrompt ?? null]);
    const { asking } = report;
    if (asking) {
      rows.push(
        [role, 'none', 'setting: no persona', asking.noSystem],
        [role, '', 'setting: persona without a system role', asking.systemPlace],
        [role, '', 'setting: template arguments', JSON.stringify(asking.arguments)],
        [role, '', 'setting: template date', asking.date],
        [role, '', 'setting: instruction', asking.instruction],
        [role, '', 'setting: answers', asking.answers.join(' ')],
      );
    }
    const all = (measure: string, value: number | null) => rows.push([role, '', measure, value]);
    for (const one of [policy.none, ...policy.personas]) {
      const persona = one.personaId ?? 'none';
      rows.push(
        [role, persona, 'accuracy', one.accuracy],
        [role, persona, 'accuracy low', one.low],
        [role, persona, 'accuracy high', one.high],
      );
      for (const { k, value } of one.passAtK) rows.push([role, persona, `pass@${k}`, value]);
      rows.push([role, persona, 'unanswered', one.unanswered], [role, persona, 'truncated', one.truncated]);
    }
    for (const [group, stability] of Object.entries(policy.stability)) {
      for (const [name, value] of Object.entries(stability ?? {})) all(`${group}: ${name}`, value as number | null);
    }
    for (const [name, value] of Object.entries(policy.shuffled)) all(`shuffled pss: ${name}`, value as number);
    for (const [name, value] of Object.entries(policy.shuffledSpread ?? {})) all(`shuffled spread: ${name}`, value as number);
    for (const [name, value] of Object.entries(policy.bootstrap)) all(`bootstrap pss: ${name}`, value as number);
    const { robustness, orders } = policy.expectation ?? { robustness: null, orders: [] };
    if (robustness) {
      const { bootstrap, shuffled, ...counts } = robustness;
      all('robustness', counts.value);
      all('robustness: personas', counts.personas);
      for (const [name, value] of Object.entries(bootstrap)) all(`bootstrap robustness: ${name}`, value as number);
      for (const [name, value] of Object.entries(shuffled)) all(`shuffled robustness: ${name}`, value as number);
    }
    for (const { order, tau, personas, ranks, bootstrap } of orders) {
      all(`order ${order}: tau`, tau);
      all(`order ${order}: personas`, personas);
      all(`order ${order}: ranks`, ranks);
      for (const [name, value] of Object.entries(bootstrap ?? {})) all(`bootstrap order ${order}: ${name}`, value as number);
    }
    policy.lottery.forEach((value, i) => all(`best of ${i + 1}`, value));
    if (policy.inference) {
      const { single, search, ensemble } = policy.inference;
      all('one persona: accuracy', single.accuracy);
      all('one persona: tokens each', single.cost.each);
      for (const [name, points] of Object.entries({ search, majority: ensemble })) {
        for (const { personas, accuracy, cost } of points) {
          all(`${name} of ${personas}: accuracy`, accuracy);
          if (cost.once > 0) all(`${name} of ${personas}: tokens once`, cost.once);
          all(`${name} of ${personas}: tokens each`, cost.each);
        }
      }
    }
    if (!policy.fidelity) continue;
    all('fidelity', policy.fidelity.headline);
    for (const kind of replyKinds) {
      const measures = policy.fidelity[kind];
      all(`${kind}: fidelity`, measures.mean);
      all(`${kind}: replies`, measures.replies);
      all(`${kind}: style replies`, measures.style?.replies ?? null);
      all(`${kind}: style strict`, measures.style?.strict ?? null);
      all(`${kind}: style loose`, measures.style?.loose ?? null);
      all(`${kind}: identification`, measures.identification?.accuracy ?? null);
      all(`${kind}: identification ceiling`, measures.identification?.ceiling ?? null);
      all(`${kind}: identification chance`, measures.identification?.chance ?? null);
      all(`${kind}: likelihood`, measures.likelihood?.accuracy ?? null);
      all(`${kind}: likelihood chance`, measures.likelihood?.chance ?? null);
      all(`${kind}: pmi`, measures.pmi);
      for (const one of measures.personas) {
        for (const name of ['strict', 'loose', 'identification', 'likelihood', 'pmi'] as const) {
          rows.push([role, one.personaId, `${kind}: ${name}`, one[name]]);
        }
      }
    }
  }
  if (report.shift) {
    const { none, personas, trained, heldOut } = report.shift;
    rows.push(['policy', 'none', 'log-odds shift', none]);
    personas.forEach((value, i) => rows.push(['policy', report.personas[i]!.id, 'log-odds shift', value]));
    for (const [group, value] of Object.entries({ trained, heldOut })) {
      rows.push(['policy', '', `${group}: log-odds shift mean`, value?.mean ?? null]);
      rows.push(['policy', '', `${group}: log-odds shift std`, value?.std ?? null]);
    }
  }
  const names = { policy: report.policy.name, base: report.base?.name ?? '' };
  return rows.flatMap(([role, persona, measure, value]) =>
    value === null ? [] : [[role, names[role as 'policy' | 'base'], persona, measure, value]],
  );
}
