/**
 * The worksheets, the teacher's page and the numbers of the stories as files, made of what was run and of `stories.ts`. `npm run teaching` writes
 * them; tests/unit/stories.test.ts holds the committed ones to what is made here.
 */
import { readStudy } from '../../study/read-study.ts';
import { readRecording } from '../../exchange/read-recording.ts';
import { fixed, percent } from '../format.ts';
import { entries } from '../glossary/terms.ts';
import { storyNumbers, type Sources, type StoryNumbers } from './numbers.ts';
import { stories, type Story } from './stories.ts';

/** Paths from the root. */
export const sourceFiles = {
  recording: 'public/runs/rlvr-permix/recording.json',
  study: 'docs/reproduction/results.json',
  long: 'docs/reproduction/long/results.json',
} as const;

/** @throws LabError 'format' where one of them is not whole */
export function readSources(texts: Readonly<Record<keyof typeof sourceFiles, string>>): Sources {
  return {
    recording: readRecording(texts.recording),
    study: readStudy(texts.study, sourceFiles.study),
    long: readStudy(texts.long, sourceFiles.long),
  };
}

const folder = 'docs/teaching';

/** Text by path. */
export function teachingFiles(sources: Sources): Readonly<Record<string, string>> {
  const numbers = storyNumbers(sources);
  const told = stories(numbers);
  const { pss, fidelity } = numbers.study;
  return {
    'src/ui/stories/numbers.json': json(numbers),
    // The first paint has no room for all of them.
    'src/ui/race/numbers.json': json({ pss: pss.all, fidelity: fidelity.all }),
    [`${folder}/README.md`]: teachersPage(numbers, told),
    ...Object.fromEntries(told.map((story, i) => [`${folder}/${sheetName(story, i)}`, worksheet(story, i + 1, told.length)])),
  };
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const sheetName = ({ id }: Story, i: number) => `${i + 1}-${id}.md`;
const letter = (i: number) => String.fromCharCode(65 + i);
const made = '<!-- Made by npm run teaching from what was run; not written by hand. -->';

/** One page for the student; the answer stands on the next one when it is printed. */
export function worksheet(story: Story, number: number, of: number): string {
  const { title, setting, question, choices, right, answer, look, terms, links } = story;
  return lines(
    made,
    `# ${number} of ${of} · ${title}`,
    'Name, class: ______________________________',
    setting,
    `**${question}**`,
    bullets(...choices.map((choice, i) => `☐ ${letter(i)}. ${choice}`)),
    'I think so because:',
    `${rule}\n\n${rule}\n\n${rule}`,
    `Then open the page at \`#/story/${story.id}\`, choose there, and write down the numbers that you find:`,
    `${rule}\n\n${rule}\n\n${rule}`,
    '**Words**',
    bullets(...terms.map((id) => `*${entries[id].title}.* ${entries[id].concept}`)),
    '<div style="break-before: page"></div>',
    '## The answer',
    `**${letter(right)}. ${choices[right]}**`,
    ...answer,
    story.table ? table(story.table.columns, story.table.rows) : '',
    `**On the page:** ${look}`,
    bullets(...links.map(({ label, document }) => `[${label}](${document})`)),
  );
}

const rule = '_'.repeat(68);

function teachersPage(numbers: StoryNumbers, told: readonly Story[]): string {
  const { race, study } = numbers;
  const { base, rlvr, permix } = race;
  const columns = [base, rlvr.early, permix.early, rlvr.end, permix.end];
  const row = (name: string, text: (column: (typeof columns)[number]) => string) => [name, ...columns.map(text)];
  const story = (id: Story['id']) => {
    const at = told.findIndex((one) => one.id === id);
    return `[${told[at]!.title}](${sheetName(told[at]!, at)})`;
  };
  return lines(
    made,
    '# For teachers: a lesson of 50 minutes',
    'A class trains a small language model twice, once rewarded on bare sums (RLVR) and once with personas mixed into its prompts (PerMix), asks both the same questions, and learns why one run is a demonstration and many are a measurement. For ages 16 and up; nobody needs to program.',
    '## What you need',
    'A browser a pair, and the page from any web server; nothing to install, no account, nothing leaves the machine. Open it once before the lesson: on https or `localhost` it then works without a network. Print the worksheets (here or from a story with your browser’s Print), the answers are on the second sheet of each. **P** makes the page large for a projector.',
    bullets(
      '**No WebGPU:** the page trains on WebAssembly by itself; nothing has to be set.',
      `**No time, or a slow machine:** “Watch a recorded one” plays the same two runs. Where it was recorded, both together took ${race.seconds} s to step ${race.classSteps} (${race.backend}, no GPU).`,
      '**No network in the room:** open the page at home on the machines of the class, or run `npm start` on yours. Over plain http in a local network browsers keep nothing: leave the tab open.',
      '**Less to press:** open the page with `#/train?v=1&hide=advanced,runs,probe&lock=settings,steps` behind its address, and the class changes nothing but the seed; “Link” in the header writes such addresses ([links](../links.md)).',
      '**No computers:** worksheets and the projector are enough; let the class vote before you press “Show the answer”.',
    ),
    '## The plan',
    table(
      ['minutes', 'what happens', 'students predict', 'they see'],
      [
        [
          '0–8',
          `One question under nine voices on the projector; ${story('lottery')}`,
          'what five tickets bring instead of one',
          `worst voice ${percent(base.worst)}, mean ${percent(base.mean)}; best of five ${percent(study.base.lottery.five)}`,
        ],
        [
          '8–14',
          story('reward'),
          'what becomes of the pirate',
          `pirate ${base.rows['pirate']} → ${rlvr.end.rows['pirate']} of ${race.questions}`,
        ],
        [
          '14–24',
          `“Train both here”, everybody with a seed of their own: in the set-up below the picture, Seed = your number in the class list (${race.classSteps} steps each)`,
          'worst voice under RLVR and under PerMix',
          `with seed ${race.seed}: ${percent(rlvr.early.worst)} and ${percent(permix.early.worst)} at step ${race.classSteps}`,
        ],
        [
          '24–30',
          story('mixing'),
          'which is higher, and at what cost',
          `PSS ${fixed(rlvr.end.pss, 2)} and ${fixed(permix.end.pss, 2)} at step ${race.steps}`,
        ],
        [
          '30–38',
          'Put together: each pair writes its two worst voices on the board; mean and spread of the class (below)',
          'how often PerMix is ahead',
          `${study.pss.all.seeds} seeds: stability ×${fixed(study.pss.all.ratio, 2)} (${fixed(study.pss.all.low, 2)} to ${fixed(study.pss.all.high, 2)})`,
        ],
        [
          '38–44',
          story('forgets'),
          'whether the voice is kept',
          `${study.fidelity.all.seeds} seeds: fidelity ×${fixed(study.fidelity.all.ratio, 3)} (${fixed(study.fidelity.all.low, 3)} to ${fixed(study.fidelity.all.high, 3)})`,
        ],
        [
          '44–50',
          `${story('limits')}; ${story('kl')} for those who are early, or at home`,
          'what follows for a large model',
          'exact, injected, not measured',
        ],
      ],
    ),
    '## Expected numbers',
    `From the recorded race (\`${race.command}\`, ${race.date}); the page’s own race with seed ${race.seed} stops at step ${race.classSteps}. ${race.questions} held-out questions a voice, the likeliest reply. Another seed gives other numbers, another machine almost the same.`,
    table(
      ['', 'Base', ...[race.classSteps, race.steps].flatMap((step) => [`RLVR, step ${step}`, `PerMix, step ${step}`])],
      [
        row('worst voice', ({ worst, worstVoices }) => `${percent(worst)}${worst < 1 ? ` (${worstVoices.join(', ')})` : ''}`),
        row('mean of the voices', ({ mean }) => percent(mean)),
        row('without a persona', ({ none }) => percent(none)),
        row('PSS', ({ pss }) => fixed(pss, 2)),
        row('PSS by chance', ({ pssByChance }) => fixed(pssByChance, 2)),
        row('still in its voice', ({ voice }) => percent(voice)),
      ],
    ),
    '“Still in its voice” of a single run goes up and down as it trains: it is the number of this table that a class reproduces worst, and that is the point of the third story.',
    '## A class of thirty is an experiment',
    numbered(
      'Everybody’s seed is their number in the class list, so no two are the same.',
      'Each reads two numbers off the picture: “Worst persona” under RLVR and under PerMix.',
      'On the board: a dot for each, RLVR on the left, PerMix on the right, a line between the two of one pair. Count the lines that go up. Then the mean of each side.',
      'Would one pair alone have told the class the truth? Which pair would have told the opposite? That is what an interval over seeds is for: the Reproduce view has one.',
    ),
    `**The files instead of the board:** every pair presses “Save as” → run file on both its runs and hands the two files in. Drop all of them at once on the page on the projector: they become one picture over the seeds of the class, with intervals, and what stands apart (other steps, a seed twice) is named. On the command line: \`permix class *.permix-run\` ([docs/exchange.md](../exchange.md)).`,
    '## What to be honest about',
    'The errors of this model world were put in on purpose, so that there is something to take away (README, Honest limits). A run is a demonstration. What was measured, with how many seeds and what was not confirmed: [the study](../reproduction/README.md), [how numbers are defined](../evaluation.md).',
    '## The worksheets',
    numbered(...told.map((one, i) => `[${one.title}](${sheetName(one, i)}): ${one.question}`)),
  );
}

const bullets = (...texts: readonly string[]) => texts.map((text) => `- ${text}`).join('\n');
const numbered = (...texts: readonly string[]) => texts.map((text, i) => `${i + 1}. ${text}`).join('\n');

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  return [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const lines = (...parts: readonly string[]) => `${parts.filter(Boolean).join('\n\n')}\n`;
