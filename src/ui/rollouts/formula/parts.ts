/**
 * The objectives' formulas as data: the loss of one token taken apart, each part with its symbols, with one token's numbers in their place,
 * and in words. The numbers are `rl/token-term.ts`'s; nothing is computed here. TeX that is KaTeX's to draw.
 */
import type { AdvantageKind, KlEstimator, RatioLevel } from '../../../engine/engine.ts';
import { noSuch } from '../../../errors.ts';
import { klIsInReward } from '../../../rl/objectives.ts';
import type { RolloutTerms } from '../../../rl/rollout-terms.ts';
import type { TokenTerm } from '../../../rl/token-term.ts';

export const partIds = ['weight', 'advantage', 'ratio', 'policy', 'kl', 'entropy', 'term'] as const;
export type PartId = (typeof partIds)[number];

export const partTitles: Readonly<Record<PartId, string>> = {
  weight: 'Row weight',
  advantage: 'Advantage',
  ratio: 'Ratio',
  policy: 'Policy term',
  kl: 'KL to the base',
  entropy: 'Entropy bonus',
  term: 'Its term of the loss',
};

export interface Part {
  readonly id: PartId;
  /** Blank: the objective has no such part. */
  readonly symbols: string;
  readonly numbers: string;
  readonly result: string;
  readonly words: string;
}

/** The parts of one token's term, in the order of `partIds`. @param longest tokens of the longest reply that is allowed */
export function formulaParts(of: RolloutTerms, at: number, longest: number): readonly Part[] {
  const term = of.terms[at]!;
  const part: Readonly<Record<PartId, () => Omit<Part, 'id'>>> = {
    weight: () => weightPart(of, longest),
    advantage: () => advantagePart(of),
    ratio: () => ratioPart(of, at, term),
    policy: () => policyPart(of, at, term),
    kl: () => klPart(of, at, term),
    entropy: () => entropyPart(of, at, term),
    term: () => termPart(of, at, term),
  };
  return partIds.map((id) => ({ id, ...part[id]() }));
}

/** Which parts are not the same: in what they are, or only in what comes out. */
export function differences(own: readonly Part[], other: readonly Part[]): Readonly<Record<PartId, 'form' | 'number' | null>> {
  return Object.fromEntries(
    own.map(({ id, symbols, result }, i) => {
      const beside = other[i]!;
      return [id, symbols !== beside.symbols ? 'form' : result !== beside.result ? 'number' : null];
    }),
  ) as Record<PartId, 'form' | 'number' | null>;
}

/** The whole in one: symbols, then numbers. */
export function wholeFormula(of: RolloutTerms, at: number): string {
  const term = of.terms[at]!;
  const [symbols, numbers] = [policySymbols(of), policyNumbers(of, at, term)];
  const hasKl = of.spec.beta > 0 && of.spec.kl !== 'none' && !of.klMissing;
  const hasBonus = of.spec.entropyCoef !== 0;
  const line = (weight: string, policy: string, kl: string, bonus: string) =>
    `${weight}\\,${hasKl ? `\\bigl(${policy} + ${kl}\\bigr)` : `\\bigl(${policy}\\bigr)`}${hasBonus ? ` - ${bonus}` : ''}`;
  const first = line('w_i', symbols, `\\beta\\,${klName(of.spec.kl)}`, '\\tfrac{c}{N} H_{i,t}');
  const second = line(
    number(of.row.weight),
    numbers,
    `${number(of.spec.beta)}\\cdot ${factor(term.kl ?? 0)}`,
    `\\tfrac{${number(of.spec.entropyCoef)}}{${number(of.row.stepTokens)}}\\cdot ${factor(of.facts[at]!.entropy)}`,
  );
  return `\\begin{aligned} \\ell_{i,t} &= ${first} \\\\[4pt] &= ${second} \\\\[4pt] &= ${number(term.value)} \\end{aligned}`;
}

/** What the update does to this token. */
export function pushWords(of: RolloutTerms, at: number): string {
  const { slope, branch } = of.terms[at]!;
  if (of.masked) return 'This reply is left out of the loss, so nothing is learned from the token.';
  if (slope < 0) return `The update makes this token likelier: the loss falls by ${plain(-slope)} for each nat of its log-prob.`;
  if (slope > 0) return `The update makes this token less likely: the loss grows by ${plain(slope)} for each nat of its log-prob.`;
  if (branch === 'clipped') return 'The clipped value won, which does not depend on the policy: nothing is learned from this token.';
  return 'The advantage is 0, so nothing is learned from this token.';
}

function weightPart({ row, normaliser, batch, masked }: RolloutTerms, longest: number): Omit<Part, 'id'> {
  const result = number(row.weight);
  const skipped = masked ? 'Here 0: the reply was cut off, and the objective learns from none of those.' : '';
  switch (normaliser) {
    case 'sequence-mean':
      return {
        symbols: 'w_i = \\frac{1}{B\\,|o_i|}',
        numbers: masked ? '' : `\\frac{1}{${batch.rows}\\cdot ${row.counted}}`,
        result,
        words:
          skipped ||
          `One over the ${batch.rows} replies of the step and the ${row.counted} tokens of this one: every reply weighs the same.`,
      };
    case 'constant':
      return {
        symbols: 'w_i = \\frac{1}{B\\,L_{\\max}}',
        numbers: masked ? '' : `\\frac{1}{${batch.rows}\\cdot ${longest}}`,
        result,
        words:
          skipped ||
          `One over the ${batch.rows} replies of the step and the ${longest} tokens a reply may have: its own length changes nothing.`,
      };
    case 'token-mean':
      return {
        symbols: 'w_i = \\frac{1}{N}',
        numbers: masked ? '' : `\\frac{1}{${row.stepTokens}}`,
        result,
        words:
          skipped || `One over the ${row.stepTokens} tokens of the step: every token weighs the same, a long reply more than a short one.`,
      };
    default:
      return noSuch('normaliser', normaliser);
  }
}

const advantageSymbols: Readonly<Record<AdvantageKind, string>> = {
  'group-std': 'A_i = \\frac{R_i - \\bar R}{s + 10^{-4}}',
  group: 'A_i = R_i - \\bar R',
  'leave-one-out': 'A_i = (R_i - \\bar R)\\,\\frac{G}{G-1}',
  'batch-std': 'A_i = \\frac{R_i - \\bar R}{S + 10^{-4}}',
  none: 'A_i = R_i',
};

const advantageWords: Readonly<Record<AdvantageKind, string>> = {
  'group-std': 'Its reward against the mean of its group, by the spread within the group.',
  group: 'Its reward against the mean of its group.',
  'leave-one-out': 'Its reward against the mean of the others in its group.',
  'batch-std': 'Its reward against the mean of its group, by the spread over the whole step.',
  none: 'The bare reward.',
};

function advantagePart({ spec, objective, advantageKind, group, learningReward, batch, row }: RolloutTerms): Omit<Part, 'id'> {
  if (spec.term === 'sft') return { ...absent, words: 'Cross-entropy knows no advantage.' };
  const equal = group.equal && advantageKind !== 'none';
  const difference = `${number(learningReward)} - ${factor(group.mean)}`;
  const numbers: Readonly<Record<AdvantageKind, string>> = {
    'group-std': `\\frac{${difference}}{${number(group.std)} + 10^{-4}}`,
    group: difference,
    'leave-one-out': `(${difference})\\cdot\\frac{${group.size}}{${group.size - 1}}`,
    'batch-std': `\\frac{${difference}}{${number(batch.rewardStd)} + 10^{-4}}`,
    none: '',
  };
  const taken = klIsInReward(objective)
    ? ` The reward is what is left of it after ${plain(objective.beta)} times the reply’s KL to the base.`
    : '';
  return {
    symbols: advantageSymbols[advantageKind],
    numbers: equal ? '' : numbers[advantageKind],
    result: number(row.advantage),
    words: `${equal ? 'All rewards of its group are equal: 0.' : advantageWords[advantageKind]}${taken}`,
  };
}

const ratioSymbols: Readonly<Record<RatioLevel, string>> = {
  token: 'r_{i,t} = e^{\\log\\pi_\\theta - \\log\\pi_{\\text{old}}}',
  'sequence-mean': 'r_i = e^{\\frac{1}{|o_i|}\\sum_t(\\log\\pi_\\theta - \\log\\pi_{\\text{old}})}',
  'sequence-sum': 'r_i = e^{\\sum_t(\\log\\pi_\\theta - \\log\\pi_{\\text{old}})}',
};

const ratioWords: Readonly<Record<RatioLevel, string>> = {
  token: 'How much likelier this token is now than when it was sampled.',
  'sequence-mean': 'One for the whole reply: how much likelier its tokens are now, on their geometric mean.',
  'sequence-sum': 'One for the whole reply: how much likelier it is now than when it was sampled.',
};

function ratioPart(of: RolloutTerms, at: number, { ratio }: TokenTerm): Omit<Part, 'id'> {
  if (ratio === null) return { ...absent, words: 'No ratio, hence no clip.' };
  const { logprob, old } = of.facts[at]!;
  const sumOfRow = number(of.row.logRatio);
  const numbers: Readonly<Record<RatioLevel, string>> = {
    token: `e^{${number(logprob)} - ${factor(old ?? logprob)}}`,
    'sequence-mean': `e^{${sumOfRow} / ${of.row.counted}}`,
    'sequence-sum': `e^{${sumOfRow}}`,
  };
  return {
    symbols: ratioSymbols[of.spec.ratio],
    numbers: numbers[of.spec.ratio],
    result: fine(ratio),
    words: of.onPolicy ? 'The policy that wrote this is the one that is updated, so the ratio is 1.' : ratioWords[of.spec.ratio],
  };
}

function policySymbols({ spec }: RolloutTerms): string {
  const r = spec.ratio === 'token' ? 'r_{i,t}' : 'r_i';
  switch (spec.term) {
    case 'sft':
      return '-\\log\\pi_\\theta';
    case 'reinforce':
      return '-A_i\\log\\pi_\\theta';
    case 'cispo':
      return `-\\min(${r},\\,\\varepsilon_{\\text{high}})\\,A_i\\log\\pi_\\theta`;
    case 'clip':
      return `-\\min\\bigl(${r}A_i,\\ \\operatorname{clip}(${r},\\,1-\\varepsilon_{\\text{low}},\\,1+\\varepsilon_{\\text{high}})\\,A_i\\bigr)`;
    default:
      return noSuch('loss term', spec.term);
  }
}

function policyNumbers({ spec, row, facts }: RolloutTerms, at: number, { ratio, range, branch }: TokenTerm): string {
  const a = factor(row.advantage);
  const lp = factor(facts[at]!.logprob);
  const r = fine(ratio ?? 1);
  switch (spec.term) {
    case 'sft':
      return `-${lp}`;
    case 'reinforce':
      return `-${a}\\cdot ${lp}`;
    case 'cispo':
      return `-\\min(${r},\\,${fine(range!.high)})\\cdot ${a}\\cdot ${lp}`;
    case 'clip': {
      const won = (value: string, wins: boolean) => (wins ? `\\underbrace{${value}}_{\\text{wins}}` : value);
      const clipped = `\\operatorname{clip}(${r},\\,${fine(range!.low!)},\\,${fine(range!.high)})\\cdot ${a}`;
      return `-\\min\\bigl(${won(`${r}\\cdot ${a}`, branch === 'plain')},\\ ${won(clipped, branch === 'clipped')}\\bigr)`;
    }
    default:
      return noSuch('loss term', spec.term);
  }
}

function policyPart(of: RolloutTerms, at: number, term: TokenTerm): Omit<Part, 'id'> {
  return {
    symbols: policySymbols(of),
    numbers: policyNumbers(of, at, term),
    result: number(term.policy),
    words: branchWords(of, term),
  };
}

function branchWords({ spec }: RolloutTerms, { branch, range }: TokenTerm): string {
  const ends = range && (range.low === null ? fine(range.high) : `${fine(range.low)} to ${fine(range.high)}`);
  switch (branch) {
    case null:
      return spec.term === 'sft' ? 'What was said becomes likelier, right or wrong.' : 'Nothing is clipped.';
    case 'inside':
      return range!.low === null ? `The ratio is below its cap, ${ends}.` : `The ratio is within ${ends}: nothing is clipped.`;
    case 'plain':
      return `The ratio is outside of ${ends}, but the unclipped value is the smaller one and wins: the token is still learned from.`;
    case 'clipped':
      return `The ratio is outside of ${ends}, and the clipped value wins: the token pushes no further.`;
    case 'capped':
      return `The ratio is cut to its cap, ${ends}: the token weighs less and is still learned from.`;
    default:
      return noSuch('branch', branch);
  }
}

function klName(kind: KlEstimator): string {
  return kind === 'none' ? '' : `k_{${kind.slice(1)}}`;
}

const klSymbols: Readonly<Record<Exclude<KlEstimator, 'none'>, string>> = {
  k1: '\\beta\\,k_1 = \\beta\\,(\\log\\pi_\\theta - \\log\\pi_{\\text{ref}})',
  k2: '\\beta\\,k_2 = \\tfrac{\\beta}{2}\\,(\\log\\pi_{\\text{ref}} - \\log\\pi_\\theta)^2',
  k3: '\\beta\\,k_3 = \\beta\\,(e^{d} - 1 - d),\\quad d = \\log\\pi_{\\text{ref}} - \\log\\pi_\\theta',
};

function klPart({ spec, objective, facts, klMissing }: RolloutTerms, at: number, { kl }: TokenTerm): Omit<Part, 'id'> {
  if (klIsInReward(objective)) return { ...absent, words: 'Taken from the reward, before the advantage.' };
  if (spec.kl === 'none' || spec.beta === 0) {
    return { ...absent, words: kl === null ? 'No KL is trained on.' : `No KL is trained on; measured here: ${plain(kl)} nats.` };
  }
  const symbols = klSymbols[spec.kl];
  const { ref, logprob } = facts[at]!;
  if (klMissing || ref === null || kl === null) {
    return { symbols, numbers: '', result: '', words: 'This step has no log-probs under the base, so the term is shown without its KL.' };
  }
  const d = number(ref - logprob);
  const numbers: Readonly<Record<Exclude<KlEstimator, 'none'>, string>> = {
    k1: `${number(spec.beta)}\\cdot(${number(logprob)} - ${factor(ref)})`,
    k2: `\\tfrac{${number(spec.beta)}}{2}\\cdot(${d})^2`,
    k3: `${number(spec.beta)}\\cdot(e^{${d}} - 1 - ${factor(ref - logprob)})`,
  };
  return {
    symbols,
    numbers: numbers[spec.kl],
    result: number(spec.beta * kl),
    words: 'What it costs to say this otherwise than the base would.',
  };
}

function entropyPart({ spec, row, facts }: RolloutTerms, at: number, { bonus }: TokenTerm): Omit<Part, 'id'> {
  if (spec.entropyCoef === 0) return { ...absent, words: 'No entropy bonus.' };
  return {
    symbols: '-\\tfrac{c}{N} H_{i,t}',
    numbers: `-\\tfrac{${number(spec.entropyCoef)}}{${number(row.stepTokens)}}\\cdot ${factor(facts[at]!.entropy)}`,
    result: number(bonus),
    words: 'A reward for doubt: the mean over the tokens of the step, whatever the row weighs.',
  };
}

function termPart(of: RolloutTerms, at: number, { value }: TokenTerm): Omit<Part, 'id'> {
  const kl = of.spec.beta > 0 && of.spec.kl !== 'none' ? ' + \\beta\\,k' : '';
  return {
    symbols: `\\ell_{i,t} = w_i\\,${kl ? `(P${kl})` : 'P'}${of.spec.entropyCoef === 0 ? '' : ' - \\tfrac{c}{N}H'}`,
    numbers: '',
    result: number(value),
    words: pushWords(of, at),
  };
}

const absent = { symbols: '', numbers: '', result: '' };

/** Three digits, as TeX. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '\\text{–}';
  if (value === 0) return '0';
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) {
    const [digits, exponent] = value.toExponential(2).split('e') as [string, string];
    return `${Number(digits)}\\times 10^{${Number(exponent)}}`;
  }
  return String(Number(value.toPrecision(3)));
}

/** Ratios and what clips them: GSPO's range is 1 ± 0.0003. */
function fine(value: number): string {
  return value < 1e6 ? String(Number(value.toPrecision(5))) : number(value);
}

/** Where it stands behind an operator. */
function factor(value: number): string {
  return value < 0 ? `(${number(value)})` : number(value);
}

/** The same for a sentence. */
function plain(value: number): string {
  if (value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6)) return String(Number(value.toPrecision(3))).replace('-', '−');
  const [digits, exponent] = value.toExponential(1).split('e') as [string, string];
  const raised = [...String(Number(exponent))].map((sign) => superscripts[sign] ?? sign).join('');
  return `${digits.replace('-', '−')} · 10${raised}`;
}

const superscripts: Readonly<Record<string, string>> = Object.fromEntries(
  [...'-0123456789'].map((sign, i) => [sign, [...'⁻⁰¹²³⁴⁵⁶⁷⁸⁹'][i]!]),
);
