/** The six stories, the worksheets and the teacher's page: no number is missing or typed, the words say what the numbers say, and what is committed is what the script makes. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { storyList } from '../../src/ui/stories/list.ts';
import { storyNumbers, type StoryNumbers } from '../../src/ui/stories/numbers.ts';
import { stories, type Story } from '../../src/ui/stories/stories.ts';
import { readSources, sourceFiles, teachingFiles } from '../../src/ui/stories/teaching.ts';
import { views } from '../../src/state/views.svelte.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(root, path), 'utf8');
const sources = readSources({
  recording: read(sourceFiles.recording),
  study: read(sourceFiles.study),
  long: read(sourceFiles.long),
});
const numbers = storyNumbers(sources);
const told = stories(numbers);

/** Everything a reader can see of it. */
const texts = ({ setting, question, choices, answer, table, look }: Story): string[] => [
  setting,
  question,
  ...choices,
  ...answer,
  ...(table ? [...table.columns, ...table.rows.flat()] : []),
  look,
];

it('tells the six of the list, each with a question that has one right choice of three or four', () => {
  expect(told.map(({ id }) => id)).toEqual(storyList.map(({ id }) => id));
  for (const { question, choices, right, answer, links } of told) {
    expect(question).toMatch(/\?$/);
    expect([3, 4]).toContain(choices.length);
    expect(new Set(choices).size).toBe(choices.length);
    expect(choices[right]).toBeDefined();
    expect(answer.length).toBeGreaterThan(1);
    expect(links.length).toBeGreaterThan(1);
  }
});

describe.each(told.map((story) => [story.id, story] as const))('%s', (id, story) => {
  it('has every number', () => {
    for (const text of texts(story)) expect(text).not.toMatch(/NaN|undefined|null|Infinity|–|\[object/);
  });

  it('has no number of its own: each changes with what was run', () => {
    const others = texts(stories(changed(numbers)).find((other) => other.id === id)!);
    /** Not results: the level of an interval, what a choice names as its bound (held below), the paper's number. */
    const typed = new Set(['95', '20']);
    const numerals = (text: string) => text.match(/\d+(\.\d+)*/g) ?? [];
    texts(story).forEach((text, i) => {
      const there = numerals(others[i]!);
      const same = numerals(text).filter((numeral, place) => there[place] === numeral && !typed.has(numeral));
      expect(same, text).toEqual([]);
    });
  });

  it('links to places of the page and to documents that there are', () => {
    for (const { page, document } of story.links) {
      if (page.startsWith('#/')) expect(views.map((view) => `#/${view.id}`)).toContain(page);
      if (!/^https:/.test(document)) expect(() => read(`docs/teaching/${document.split('#')[0]}`)).not.toThrow();
    }
  });
});

it('says in words what the numbers say', () => {
  const { race, study, long } = numbers;
  // The lottery: "more than 20 points", and the errors of no persona are no issue before training.
  expect(study.base.lottery.five - study.base.lottery.one).toBeGreaterThan(0.2);
  expect(study.base.lottery.all).toBeLessThan(1);
  expect(race.base.worst).toBeLessThan(race.base.best);
  // Why reward makes it robust: better, and not as good as without a persona.
  const pirate = (rows: Readonly<Record<string, number>>) => rows['pirate']! / race.questions;
  expect(pirate(race.rlvr.end.rows)).toBeGreaterThan(pirate(race.base.rows));
  expect(pirate(race.rlvr.end.rows)).toBeLessThan(race.rlvr.end.none);
  expect(race.rlvr.end.mean).toBeGreaterThan(race.base.mean);
  // What RLVR forgets: the run shows a difference, the seeds show it to be within the margin; the first seeds alone said otherwise.
  expect(race.permix.end.voice - race.rlvr.end.voice).toBeGreaterThan(2 * study.fidelity.margin);
  expect(study.fidelity.within).toBe(true);
  expect(study.fidelity.own.low).toBeGreaterThan(1);
  expect(study.fidelity.fresh.low).toBeLessThan(1);
  expect(race.permix.quietest.kept).toBeLessThan(race.permix.quietest.atEnd);
  expect(study.rlvr.fidelity).toBeLessThan(study.base.fidelity);
  // Mixing: higher, nothing lost without a persona, also for personas never met; the reward shows none of it.
  expect(race.permix.end.worst).toBeGreaterThan(race.rlvr.end.worst);
  expect(race.permix.end.none).toBeGreaterThanOrEqual(race.rlvr.end.none);
  expect(study.pss.all.low).toBeGreaterThan(1);
  expect(study.heldOut.low).toBeGreaterThan(1);
  expect(Math.abs(race.rlvr.lastReward - race.permix.lastReward)).toBeLessThan(0.05);
  // What KL is for: all right, one fallen, and only the KL told.
  expect(long.lowestWorst).toBeGreaterThan(0.9);
  expect(long.fallen.fidelity).toBeLessThan(0.5 * Math.min(...long.others.map(({ fidelity }) => fidelity)));
  expect(long.fallen.kl).toBeGreaterThan(2 * Math.max(...long.others.map(({ kl }) => kl)));
  expect(long.steps).toBeGreaterThan(study.steps);
  expect(study.permix.lowestFidelity).toBeGreaterThan(long.fallen.fidelity);
});

it('a number that was not measured is an error, not a gap', () => {
  const [first, ...rest] = sources.recording.runs;
  const recording = { ...sources.recording, runs: [{ ...first!, heldOut: first!.heldOut.filter(({ step }) => step !== 30) }, ...rest] };
  expect(() => storyNumbers({ ...sources, recording })).toThrow('step 30');
});

it('what is committed is what npm run teaching makes', () => {
  const files = Object.entries(teachingFiles(sources));
  expect(files.length).toBe(3 + storyList.length);
  for (const [path, text] of files)
    expect(read(path) === text, `${path} is older than what it is made of: run npm run teaching`).toBe(true);
});

it('documents have every number too', () => {
  for (const [path, text] of Object.entries(teachingFiles(sources))) {
    if (path.endsWith('.md')) expect(text.replace(/\d–\d/g, ''), path).not.toMatch(/NaN|undefined|null|Infinity|–|\[object/);
  }
});

/** As if everything had come out otherwise. */
function changed(of: StoryNumbers): StoryNumbers {
  const other = (value: unknown): unknown => {
    if (typeof value === 'number') return 1.37 * value + (Number.isInteger(value) ? 7 : 0.113);
    if (Array.isArray(value)) return value.map(other);
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, other(one)]));
    return value;
  };
  return other(of) as StoryNumbers;
}
