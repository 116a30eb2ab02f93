/** From replies to the report: judges them and puts the measures side by side. Asking and scoring is `evaluate.ts`. */
import type { Candidate, EvaluationRequest, ReplyKind } from './request.ts';
import { wilsonInterval } from '../statistics/intervals.ts';
import { mean, populationStd, sum } from '../statistics/moments.ts';
import type { Persona } from '../persona/persona.ts';
import { ownPromptSentence, personaPlace } from '../persona/place.ts';
import { expectation, expectationNotes } from './expectation.ts';
import { fidelityNotes } from './fidelity-notes.ts';
import { FidelityScorer, headlineFidelity, type PersonaReplies } from './fidelity.ts';
import { inferenceAnswers, singlePersona, validationProblems } from './inference.ts';
import { lotteryCurve } from './lottery.ts';
import { meanPassAtK, passLevels } from './pass-at-k.ts';
import type { EvaluationPlan } from './plan.ts';
import { leftOutNotes } from './questions.ts';
import type { Reply } from './replies.ts';
import {
  reportFormat,
  reportVersion,
  type Accuracy,
  type EvaluationReport,
  type Fidelity,
  type InferenceReport,
  type LogOddsShift,
  type MeanStd,
  type PolicyReport,
} from './report.ts';
import { neverEnded } from '../policy/end-tokens.ts';
import { analysis } from './analysis.ts';
import { askingSentence, type Asking } from './asking.ts';
import { bootstrapPss, shuffledNulls } from './resample.ts';
import { headlineProblems, logOddsShift, stability, type Stability } from './stability.ts';
import { voteTable } from './votes.ts';

/** [P] per persona, in the order of the personas; null where fidelity is not measured. */
export interface Scored {
  /** The base's replies to other questions. */
  readonly training: { readonly task: readonly Reply[][]; readonly roleplay: readonly Reply[][] };
  /** [P][replies][P] nats */
  readonly policy: { readonly task: readonly number[][][]; readonly roleplay: readonly number[][][] };
  readonly base: { readonly task: readonly number[][][]; readonly roleplay: readonly number[][][] } | null;
}

/** One policy's replies; question-major, the samples of a question consecutive. */
export interface Answers {
  readonly none: readonly Reply[];
  /** [P] */
  readonly task: readonly (readonly Reply[])[];
  /** [P] */
  readonly roleplay: readonly (readonly Reply[])[];
}

/** @throws LabError 'cancelled' when the request's signal is aborted */
export async function summarise(
  request: EvaluationRequest,
  plan: EvaluationPlan,
  own: Answers,
  base: Answers | null,
  scored: Scored | null,
): Promise<EvaluationReport> {
  const fidelity = scored && (await measureFidelity(request, own, base, scored));
  const policy = await policyReport(request, plan, request.policy, own, fidelity?.policy ?? null);
  const baseReport = base && (await policyReport(request, plan, request.base!, base, fidelity?.base ?? null));
  return {
    format: reportFormat,
    version: reportVersion,
    data: { name: request.questions.name, problemIds: plan.task.map(({ id }) => id), leftOut: plan.leftOut },
    sampling: {
      temperature: request.temperature,
      samples: request.samples,
      maxNewTokens: request.maxNewTokens,
      seed: request.seed,
    },
    asking: askingOf(request),
    personas: request.personas.map(({ id, name, voice, kind, heldOut, expected }) => ({
      id,
      name,
      voice,
      kind,
      heldOut,
      ...(expected === undefined ? {} : { expected }),
    })),
    policy,
    base: baseReport,
    shift: baseReport && shiftOf(request, policy, baseReport),
    notes: notesOf(request, plan, policy, baseReport),
  };
}

async function policyReport(
  request: EvaluationRequest,
  plan: EvaluationPlan,
  candidate: Candidate,
  answers: Answers,
  fidelity: Fidelity | null,
): Promise<PolicyReport> {
  const { personas, samples, seed } = request;
  const none = await accuracyOf(request, plan, null, answers.none);
  const each = await Promise.all(personas.map((persona, p) => accuracyOf(request, plan, persona.id, answers.task[p]!)));
  const table = { correct: each.map(({ correct }) => correct), samples };
  const among = (wanted: (persona: Persona) => boolean): Stability | null => {
    const correct = table.correct.filter((_, p) => wanted(personas[p]!));
    return correct.length < 2 ? null : stability({ correct, samples }, none.accuracy);
  };
  const shuffled = shuffledNulls(table, seed);
  return {
    name: candidate.name,
    ownPrompt: personaPlace(candidate.tokenizer).ownPrompt,
    none,
    personas: each,
    stability: {
      all: stability(table, none.accuracy),
      trained: among(({ heldOut }) => !heldOut),
      heldOut: among(({ heldOut }) => heldOut),
    },
    shuffled: shuffled.pss,
    shuffledSpread: shuffled.spread,
    bootstrap: bootstrapPss(table, seed),
    expectation: expectation(personas, table.correct, none.correct, samples, seed),
    lottery: lotteryCurve(each.map(({ accuracy }) => accuracy)),
    fidelity,
    inference: await inferenceReport(request, plan, candidate, answers),
  };
}

/** As in the reproduction (`analysis.ts`), but for the sizes, which are 2, 4, 8, … and all personas. */
const { validationSets, ensembleDraws, validationProblems: mostProblems } = analysis.inference;

async function inferenceReport(
  { personas, questions, samples, seed, signal }: EvaluationRequest,
  { task }: EvaluationPlan,
  { tokenizer }: Candidate,
  { task: replies }: Answers,
): Promise<InferenceReport> {
  const asked = { personas, questions: task, replies, samples, judge: questions.judge, tokenizer };
  const votes = await voteTable({ ...asked, ...(signal ? { signal } : {}) });
  const sizes = [2, 4, 8, 16, 32, 64].filter((k) => k < personas.length);
  const settings = { personas: [...sizes, personas.length], validationSets, validationProblems: mostProblems, ensembleDraws };
  return {
    single: singlePersona(votes),
    ...inferenceAnswers(votes, settings, seed),
    validation: { sets: validationSets, problems: validationProblems(task.length, settings) },
  };
}

async function accuracyOf(
  { questions, samples }: EvaluationRequest,
  plan: EvaluationPlan,
  personaId: string | null,
  replies: readonly Reply[],
): Promise<Accuracy> {
  const verdicts = await Promise.all(replies.map((reply, row) => questions.judge(reply, plan.task[Math.floor(row / samples)]!)));
  const correct = plan.task.map((_, i) => verdicts.slice(i * samples, (i + 1) * samples).filter((verdict) => verdict.correct).length);
  const accuracy = sum(correct) / replies.length;
  return {
    personaId,
    accuracy,
    ...wilsonInterval(accuracy, plan.task.length),
    correct,
    passAtK: passLevels(samples).map((k) => ({ k, value: meanPassAtK(correct, samples, k) })),
    unanswered: verdicts.filter(({ parsed }) => parsed === null).length,
    truncated: replies.filter(({ ended }) => !ended).length,
  };
}

async function measureFidelity(
  { personas, voices, samples, signal }: EvaluationRequest,
  own: Answers,
  base: Answers | null,
  scored: Scored,
): Promise<{ policy: Fidelity; base: Fidelity | null }> {
  const kind = async (name: ReplyKind) => {
    const texts = (answers: Answers, p: number) =>
      name === 'roleplay'
        ? answers.roleplay[p]!.map(({ text }) => text)
        : scored.policy.task[p]!.map((_, i) => answers.task[p]![i * samples]!.text);
    const repliesOf = (answers: Answers, logprobs: readonly number[][][]) =>
      personas.map(({ id }, p): PersonaReplies => ({ personaId: id, texts: texts(answers, p), logprobs: logprobs[p]! }));
    const training = personas.map(({ id }, p): PersonaReplies => ({
      personaId: id,
      texts: scored.training[name][p]!.map(({ text }) => text),
      logprobs: null,
    }));
    const scorer = await FidelityScorer.create(personas, voices, training, signal);
    const policyReplies = repliesOf(own, scored.policy[name]);
    const baseReplies = base && repliesOf(base, scored.base![name]);
    const ceiling = baseReplies ?? policyReplies;
    return { policy: scorer.measure(policyReplies, ceiling), base: baseReplies && scorer.measure(baseReplies, ceiling) };
  };
  const [task, roleplay] = [await kind('task'), await kind('roleplay')];
  const both = (a: Fidelity['task'], b: Fidelity['roleplay']): Fidelity => ({ headline: headlineFidelity(a, b), task: a, roleplay: b });
  return { policy: both(task.policy, roleplay.policy), base: task.base && roleplay.base && both(task.base, roleplay.base) };
}

function shiftOf({ personas, samples }: EvaluationRequest, policy: PolicyReport, base: PolicyReport): LogOddsShift {
  const shift = (now: Accuracy, before: Accuracy) => {
    const total = now.correct.length * samples;
    const right = ({ correct }: Accuracy) => sum(correct);
    return logOddsShift(right(now), total, right(before), total);
  };
  const each = policy.personas.map((now, p) => shift(now, base.personas[p]!));
  return {
    none: shift(policy.none, base.none),
    personas: each,
    trained: meanAndStd(each.filter((_, p) => !personas[p]!.heldOut)),
    heldOut: meanAndStd(each.filter((_, p) => personas[p]!.heldOut)),
  };
}

/** How alike the personas are: the spread of these very values, not of a population they were drawn from. */
function meanAndStd(values: readonly number[]): MeanStd | null {
  return values.length === 0 ? null : { mean: mean(values), std: populationStd(values) };
}

/** Base and policy are asked alike. */
function askingOf({ policy, questions: { instruction, answers } }: EvaluationRequest): Asking {
  return { ...policy.tokenizer.template, instruction, answers };
}

function notesOf(request: EvaluationRequest, plan: EvaluationPlan, policy: PolicyReport, base: PolicyReport | null): string[] {
  const notes = ['PSS, fidelity and the other measures are defined by this project (docs/evaluation.md), not by the PerMix-RLVR paper.'];
  notes.push(askingSentence(askingOf(request)));
  const problems = plan.task.length;
  if (problems < headlineProblems) {
    notes.push(
      `${problems} problem${problems === 1 ? '' : 's'} per persona: PSS is biased low for so few. A headline needs at least ${headlineProblems}; compare with the shuffled value.`,
    );
  }
  for (const { name, tokenizer } of [request.policy, ...(request.base ? [request.base] : [])]) {
    const own = ownPromptSentence(tokenizer, name);
    if (own !== null) notes.push(own);
  }
  notes.push('One run shows nothing about chance between training runs; a claim needs the interval over several seeds.');
  notes.push(...leftOutNotes(request.questions, plan.leftOut));
  const replies = (request.personas.length + 1) * problems * request.samples;
  const truncated = sum([policy.none, ...policy.personas].map((one) => one.truncated));
  if (truncated === replies) {
    const ends = request.policy.eosIds.map((id) => request.policy.tokenizer.tokenOf(id) ?? String(id));
    notes.push(neverEnded(replies, ends, request.maxNewTokens));
  } else if (truncated > replies / 20) {
    notes.push(`${Math.round((100 * truncated) / replies)} % of the replies of ${policy.name} were cut at ${request.maxNewTokens} tokens.`);
  }
  for (const { name, expectation: found } of [policy, ...(base ? [base] : [])]) {
    if (found) notes.push(...expectationNotes(found, name).filter((note) => !notes.includes(note)));
  }
  if (request.fidelityReplies > 0) {
    if (policy.fidelity) notes.push(...fidelityNotes(request.personas, (base ?? policy).fidelity!));
    if (!request.base)
      notes.push('Without a base the policy scores its own replies: its fidelity is a ceiling for what is trained from it.');
  }
  return notes;
}
