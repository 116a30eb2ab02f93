/**
 * What the six stories say: a question that is asked before its answer is shown, the answer, and what the page shows beside each. Written once,
 * for the card, the worksheet and the teacher's page. Every number is one of `numbers.ts`; what the words claim of them, tests/unit/stories.test.ts holds.
 */
import { paperAddress } from '../../study/paper.ts';
import { fixed, percent } from '../format.ts';
import type { TermId } from '../glossary/terms.ts';
import { storyList, type StoryId } from './list.ts';
import type { StoryNumbers } from './numbers.ts';

export interface Story {
  readonly id: StoryId;
  readonly title: string;
  /** What is known before the question. */
  readonly setting: string;
  readonly question: string;
  readonly choices: readonly string[];
  /** Place of the right one. */
  readonly right: number;
  /** The right choice in one sentence, then why and how far it goes. */
  readonly answer: readonly string[];
  readonly table?: { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] };
  /** What to look at on the page once the answer is known. */
  readonly look: string;
  /** Steps of the recording that the picture shows, before the answer and with it. */
  readonly scene: { readonly before: number; readonly after: number };
  readonly terms: readonly TermId[];
  readonly links: readonly Link[];
}

export interface Link {
  readonly label: string;
  /** From the page. */
  readonly page: string;
  /** From docs/teaching/. */
  readonly document: string;
}

const paper: Link = { label: 'The paper, arXiv 2604.08986', page: paperAddress, document: paperAddress };
const study: Link = { label: 'The study over seeds', page: '#/reproduce', document: '../reproduction/README.md' };

type Told = Omit<Story, 'id' | 'title'>;

export function stories(numbers: StoryNumbers): readonly Story[] {
  return storyList.map(({ id, title }) => ({ id, title, ...tell[id](numbers) }));
}

const tell: Readonly<Record<StoryId, (numbers: StoryNumbers) => Told>> = { lottery, reward, forgets, mixing, kl, limits };

function lottery({ study: { base, seeds, problems, personas }, race }: StoryNumbers): Told {
  const { one, five, all } = base.lottery;
  return {
    setting: `Before any training, ${personas} personas answer the same ${problems} sums. You draw one of them blindly. Then you may draw five and keep the best.`,
    question: 'What do you gain by drawing five instead of one?',
    choices: [
      'Nothing: a persona is a way to talk, not to add',
      'A few points',
      'A lot: more than 20 points',
      'Everything: one of five is always right',
    ],
    right: 2,
    answer: [
      `One persona drawn blindly is right in ${percent(one)} of the sums, the best of five in ${percent(five)}, the best of all ${personas} in ${percent(all)}.`,
      'Nothing was learned in between. You only drew more tickets: that is the persona lottery.',
      `In the picture, of ${race.questions} questions each, the worst voice (${list(race.base.worstVoices)}) is right in ${percent(race.base.worst)} and the best in ${percent(race.base.best)}. The sums are the same; only the sentence before them differs.`,
      'Here the reason is known: the errors were put into the training text on purpose, more of them for some personas than for others. The paper finds such a lottery in large models, where nobody put it in.',
      `Averages over ${seeds} sets of questions and draws.`,
    ],
    look: 'Press a pale cell of the column “Base”: it shows what that persona answered.',
    scene: { before: 0, after: 0 },
    terms: ['persona', 'voice', 'lottery'],
    links: [paper, { label: 'How it is measured', page: '#/evaluate', document: '../evaluation.md' }],
  };
}

function reward({ race, world, study: { rlvr, base, seeds, steps } }: StoryNumbers): Told {
  const pirate = (rows: Readonly<Record<string, number>>) => `${rows['pirate']} of ${race.questions}`;
  return {
    setting: `RLVR asks bare sums, without any persona, and rewards what is right. It never meets the pirate, who is right in ${pirate(race.base.rows)} before training.`,
    question: `What has become of the pirate after ${race.steps} steps?`,
    choices: [
      'Nothing: it was never trained',
      'Better, but not as good as without a persona',
      'As good as without a persona',
      'Worse: the model has forgotten pirates',
    ],
    right: 1,
    answer: [
      `Better, and not all the way: the pirate is right in ${pirate(race.rlvr.end.rows)}, and without a persona it is ${percent(race.rlvr.end.none)}.`,
      `Over all ${world.voices} voices the mean went from ${percent(race.base.mean)} to ${percent(race.rlvr.end.mean)}, the worst from ${percent(race.base.worst)} to ${percent(race.rlvr.end.worst)}.`,
      `How? Each question is tried ${race.groupSize} times. Replies that are right get a plus against the others of their group, wrong ones a minus, and the weights are moved so that the right ones become likelier. All voices share these weights, so what helps one way of asking tends to help the others.`,
      'But nothing in the reward asks for it. How much reaches a voice that is never trained is left to chance.',
      `The same with ${seeds} seeds, ${steps} steps and all personas: the worst one went from ${percent(base.worst)} to ${percent(rlvr.worst)}.`,
    ],
    look: 'Read the column “RLVR” from the top: most cells are dark, and the outlined one is the worst.',
    scene: { before: 0, after: race.steps },
    terms: ['rlvr', 'reward', 'rollout', 'group', 'advantage'],
    links: [paper, { label: 'One training step, in the code', page: '#rollouts', document: '../architecture.md' }],
  };
}

function forgets({ race, study: { base, rlvr, fidelity, steps } }: StoryNumbers): Told {
  const { own, fresh, all, margin } = fidelity;
  const { quietest } = race.permix;
  return {
    setting: `Reward reads the answer and never the voice. In this one run the share of replies that still sound like their persona is ${percent(race.rlvr.end.voice)} after RLVR and ${percent(race.permix.end.voice)} after PerMix, ${race.steps} steps each.`,
    question: `Repeated with ${all.seeds} seeds: how much more of the voice does PerMix keep, on average?`,
    choices: [
      `As much more as here: about ${Math.round(100 * (race.permix.end.voice - race.rlvr.end.voice))} points`,
      'About half of that',
      `Hardly any: no more than ${percent(margin)}`,
      'It keeps less than RLVR',
    ],
    right: 2,
    answer: [
      `Hardly any. Over ${all.seeds} seeds persona fidelity under PerMix is ${times(all.ratio)} that under RLVR (95 % interval ${times(all.low, 3)} to ${times(all.high, 3)}): shown to differ by no more than ${percent(margin)}.`,
      `One run misleads. So did the first ${own.seeds}: they said ${times(own.ratio)} (${times(own.low)} to ${times(own.high)}), and it looked like a success. ${fresh.seeds} fresh seeds said ${times(fresh.ratio, 3)} (${times(fresh.low, 3)} to ${times(fresh.high, 3)}).`,
      `A voice comes and goes while a run trains. In this very recording of PerMix, the ${quietest.name} was heard in ${quietest.kept} of ${race.questions} of its replies at step ${quietest.step}, and in ${quietest.atEnd} at the end.`,
      `What both forget is little: fidelity is ${fixed(base.fidelity, 2)} before training and ${fixed(rlvr.fidelity, 2)} after RLVR (the first ${own.seeds} seeds, ${steps} steps).`,
      'The two numbers are not the same measure: here a reply counts that uses a phrase of its voice; persona fidelity is the mean of three such tests, over more personas and questions.',
    ],
    look: 'Press a cell of “RLVR” and read the replies: right answers, and often in nobody’s voice.',
    scene: { before: race.steps, after: race.steps },
    terms: ['voice', 'fidelity', 'seed'],
    links: [
      study,
      { label: 'The seeds that were declared beforehand', page: './runs/protocol.md', document: '../reproduction/confirmation/README.md' },
    ],
  };
}

function mixing({ race, study: { rlvr, permix, pss, heldOut }, world }: StoryNumbers): Told {
  return {
    setting: `PerMix gives ${percent(race.personaShare)} of its prompts a persona. Everything else is RLVR’s: same questions, same seed, same number of steps.`,
    question: 'What becomes of the worst voice, compared with RLVR?',
    choices: [
      'Lower: only part of the prompts is left for bare sums',
      'About the same',
      'Higher, and nothing is lost without a persona',
      'Higher, but without a persona it gets worse',
    ],
    right: 2,
    answer: [
      `Higher: in this run the worst voice is right in ${percent(race.rlvr.end.worst)} after RLVR and ${percent(race.permix.end.worst)} after PerMix; without a persona ${percent(race.rlvr.end.none)} and ${percent(race.permix.end.none)}.`,
      `One run is a demonstration. Over ${pss.all.seeds} seeds the Persona Stability Score under PerMix is ${times(pss.all.ratio)} that under RLVR (95 % interval ${times(pss.all.low)} to ${times(pss.all.high)}); in the first ${pss.own.seeds} it was ${fixed(permix.pss, 2)} against ${fixed(rlvr.pss, 2)}, and accuracy without a persona ${fixed(permix.none, 2)} against ${fixed(rlvr.none, 2)}.`,
      `It also reaches ${world.heldOut} personas that were kept out of training: there PSS is ${times(heldOut.ratio)} RLVR’s (${times(heldOut.low)} to ${times(heldOut.high)}, ${heldOut.seeds} seeds).`,
      `The training reward does not show any of this. It ends at ${fixed(race.rlvr.lastReward, 2)} for RLVR and ${fixed(race.permix.lastReward, 2)} for PerMix, because each is graded on its own prompts. Ask both the same questions before you compare.`,
    ],
    look: 'Compare “Worst” below the two right columns, and PSS there with its value by chance.',
    scene: { before: 0, after: race.steps },
    terms: ['permix', 'mix', 'pss', 'chance', 'held-out'],
    links: [paper, study],
  };
}

function kl({ long, study: { permix, steps, seeds, base }, race }: StoryNumbers): Told {
  const { fallen, others } = long;
  const distances = others.map(({ kl: nats }) => nats);
  return {
    setting: `KL measures how far the policy has moved from the base. ${long.seeds} runs of PerMix went on to ${long.steps} steps without a KL term. Even their worst persona is right in ${percent(long.lowestWorst)} or more. In one of them something else went wrong.`,
    question: 'What went wrong in it?',
    choices: [
      'It can no longer add without a persona',
      'All its personas speak in one voice',
      'Its replies never come to an end',
      'It answers only questions it has seen',
    ],
    right: 1,
    answer: [
      `All its personas fell into one voice. Persona fidelity is ${fixed(fallen.fidelity, 2)} there (seed ${fallen.seed}), ${list(others.map(({ fidelity }) => fixed(fidelity, 2)))} in the others, ${fixed(base.fidelity, 2)} before training.`,
      'The reward could not see it: a right answer is right in any voice.',
      `The KL to the base could: ${fixed(fallen.kl, 2)} nats a token in that run, ${fixed(Math.min(...distances), 2)} to ${fixed(Math.max(...distances), 2)} in the others. A KL term adds β times this to the loss, so that moving away has a price.`,
      `With β ${race.beta}, ${seeds} runs of ${steps} steps ended with a fidelity of ${fixed(permix.lowestFidelity, 2)} to ${fixed(permix.highestFidelity, 2)}. They were shorter, so this does not prove that the term would have saved the fallen run: nobody has trained that one yet.`,
    ],
    look: 'Under “Is it learning?”, Distance to the base is the KL of the run on view. Take Beta away under Advanced, train longer, and watch it.',
    scene: { before: race.steps, after: race.steps },
    terms: ['kl', 'reference', 'beta', 'fidelity'],
    links: [
      { label: 'The long runs', page: '#/reproduce', document: '../reproduction/long/README.md' },
      { label: 'How fidelity is measured', page: '#/evaluate', document: '../evaluation.md' },
    ],
  };
}

function limits({ world, study: { pss, problems }, paper: reported, race }: StoryNumbers): Told {
  return {
    setting: `In this model world PerMix’s stability is ${times(pss.all.ratio)} RLVR’s. The paper reports ${gain(reported.pss)} for large models.`,
    question: 'What does this page tell you about a large language model?',
    choices: [
      `The same: ${times(pss.all.ratio)} there too`,
      'The paper’s number is confirmed',
      'A mechanism that can work; how much has to be measured there',
      'Nothing at all: it is a toy',
    ],
    right: 2,
    answer: [
      'A mechanism. Here one can see from the first to the last token why mixing personas in helps. How much it helps elsewhere is another measurement.',
      'This world was built on the paper’s own assumption: personas make errors that training can take away. So that training takes them away is no surprise. What was open, and was tested, is by how much, at what cost, and on which personas.',
    ],
    table: {
      columns: ['what one would like to know', 'here it is'],
      rows: [
        ['Is an answer right?', 'exact: the number is compared, nobody judges'],
        [
          'The same questions for every persona and policy?',
          `exact: all ${world.personas} personas, ${problems} questions each in the study`,
        ],
        ['Does a run repeat?', 'exact: same machine, engine and seed give the same bits'],
        ['Personas that answer worse', 'injected: errors in the training text, by role and trait'],
        ['Voices', 'injected: fixed phrases of each of the roles'],
        ['Does a reader believe the persona?', 'not measured: only phrases and likelihood are; it takes a judge'],
        ['Other tasks than sums', 'not measured in the study'],
        [
          'Large models',
          `not measured: the paper’s ${gain(reported.pss)} and ${gain(reported.fidelity)} are of other models, data and measures`,
        ],
      ],
    },
    look: `Train both with another seed than ${race.seed}, then compare with your neighbour: what differs between you two is chance.`,
    scene: { before: race.steps, after: race.steps },
    terms: ['pss', 'fidelity', 'seed', 'policy'],
    links: [paper, study, { label: 'Honest limits', page: '#/reproduce', document: '../../README.md#honest-limits' }],
  };
}

const times = (ratio: number, digits = 2) => `×${fixed(ratio, digits)}`;
const gain = (ratio: number) => `+${fixed(100 * (ratio - 1), 1)}\u00a0%`;

/** "a, b and c" */
function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
