/** A finished study as the files a reader finds: results.json, README.md and figures, all made of the results and nothing else. */
import type { EngineInfo } from '../engine/engine.ts';
import { ownPromptNote } from '../persona/place.ts';
import { analysis } from '../evaluate/analysis.ts';
import { askingSentence } from '../evaluate/asking.ts';
import { headlineProblems } from '../evaluate/stability.ts';
import { askedOf } from '../rl/asking.ts';
import { judgeClaims, where } from './claims.ts';
import { studyFigures } from './figures.ts';
import type { RunResult, StudyResults } from './results.ts';
import { armTable, claimLines, claimTable, togetherLines, togetherTable, contrastTable, inferenceTable, summaryTable } from './table.ts';

/** Name → content. */
export function studyFiles(results: StudyResults): Readonly<Record<string, string>> {
  const figures = studyFigures(results);
  return {
    'results.json': `${JSON.stringify({ ...results, claims: judgeClaims(results) })}\n`,
    'README.md': readme(results, Object.keys(figures)),
    ...figures,
  };
}

/** What is printed at the end. */
export function summaryLines(results: StudyResults): string[] {
  return [...summaryTable(results), '', ...claimLines(results), ...togetherLines(results), '', ...caveats(results)];
}

const captions: Readonly<Record<string, string>> = {
  'pss.svg': 'Stability over personas, by arm',
  'fidelity.svg': 'Persona fidelity, by arm',
  'personas.svg': 'Accuracy under every persona',
  'lottery.svg': 'The persona lottery: expected accuracy of the best of k personas',
  'training.svg': 'Training curves',
};

function readme(results: StudyResults, figures: readonly string[]): string {
  const { study, seeds } = results;
  const { problems, fidelityReplies } = study.examination;
  const contrasts = contrastTable(results);
  const parts = [
    `# ${study.title}`,
    `Made by \`${study.command}\`, finished on ${study.date.slice(0, 10)}. Everything on this page is made of [results.json](results.json); ` +
      'nothing is written by hand.',
    caveats(results)
      .map((line) => `> ${line}`)
      .join('\n>\n'),
    '## What is claimed, and what was found',
    'Effect and interval are of the ratio of the two arms: the mean over seeds of the paired log-ratio and its 95 % t interval. *Reproduced*: the ' +
      'whole interval is above 1 (where something is kept: above the share named). *Not reproduced*: the whole interval is at or below it. ' +
      '*Undecided*: neither, or fewer than two seeds.',
    equivalenceNote,
    claimTable(results),
    ...(results.together?.length ? ['## All seeds together', togetherNote, togetherTable(results.together)] : []),
    ...(contrasts ? ['## Against the reference', contrasts] : []),
    '## All arms',
    `Means over ${seeds.length} seed${seeds.length === 1 ? '' : 's'} ± half of the 95 % t interval.`,
    armTable(results),
    ...figures.map((name) => `![${captions[name]}](${name})`),
    '## Without training: search and votes',
    'What one could do at inference time instead, on the replies of every arm: try k personas on a small validation set and keep the best, or let k ' +
      'personas vote. Tokens count prompts and replies.',
    inferenceTable(results),
    '## How it was measured',
    `Task \`${study.analysis.task}\`: ${problems} held-out problems per persona, the same for every persona and policy of a seed; ` +
      `${results.personas.length} personas, ${results.personas.filter(({ heldOut }) => heldOut).length} of them never trained on; sampled at temperature ` +
      `${study.analysis.temperature}, ${study.analysis.samples} repl${study.analysis.samples === 1 ? 'y' : 'ies'} a problem, at most ` +
      `${study.analysis.maxNewTokens} tokens. Fidelity: ${fidelityReplies} replies per persona of each kind. Questions and draws of an evaluation are those of ` +
      `${study.analysis.evaluationSeed}. Training: ${study.steps} steps; every run's configuration is in results.json. PSS, fidelity and the other measures are ` +
      'defined by this project, not by the paper.',
    '## Where it was computed',
    provenance(results),
  ];
  return `${parts.join('\n\n')}\n`;
}

const equivalenceNote =
  `*Within ±${100 * analysis.smallestEffect} %* asks the other way round whether an effect is shown to be too small to matter: *yes* where the 90 % t interval lies wholly ` +
  'inside (two one-sided tests at 5 %), *larger* where the whole 95 % interval lies outside, *open* where neither was shown. An effect can be there and too small to matter.';

const togetherNote =
  'Other seeds that were run with the same setting, by us and by others, beside those of this study. The study’s own seeds are the ones that suggested a claim; the fresh ones ' +
  'are the independent test, and all together are what is known. Of seeds whose values were not told, mean and standard deviation are taken from the interval that was.';

function provenance(results: StudyResults): string {
  const { study, seeds } = results;
  const runs = seeds.flatMap((one) => one.runs);
  const distinct = (of: (run: RunResult) => string) => [...new Set(runs.map(of))].join(', ');
  const hours = (runs.reduce((sum, { seconds }) => sum + seconds.train + seconds.evaluate, 0) / 3600).toFixed(1);
  const rows = [
    ['base policy', `${study.base.id}, SHA-256 ${study.base.hash}…`],
    ['seeds', seeds.map(({ seed }) => seed).join(', ')],
    ['engine', distinct(({ engine }) => engineName(engine))],
    ['study', `configuration ${study.hash}`],
    [
      'program',
      `${Object.entries(study.versions)
        .map((pair) => pair.join(' '))
        .join(', ')}; build ${distinct(({ build }) => build)}`,
    ],
    ['processor time', `${hours} hours over ${runs.length} runs`],
  ];
  return ['| | |', '| --- | --- |', ...rows.map((cells) => `| ${cells.join(' | ')} |`)].join('\n');
}

function engineName({ engine, backend, adapter, software }: EngineInfo): string {
  return `${engine} on ${backend}${adapter ? ` (${adapter}${software ? ', software' : ''})` : ''}`;
}

/** What a reader has to know before quoting a number. */
export function caveats(results: StudyResults): string[] {
  const { study, seeds } = results;
  const { problems } = study.examination;
  const builds = new Set(seeds.flatMap(({ runs }) => runs.map(({ build }) => build)));
  const world = study.base.bundled
    ? 'The model world is built on the paper’s own assumption: the errors of its corpus are injected, and reinforcement learning un-learns them. Verdicts hold there.'
    : `Verdicts hold ${where(results)}.`;
  const { id, ownPrompt } = study.base;
  // All runs of a study are asked alike.
  const first = seeds[0]?.runs[0];
  return [
    world,
    ...(first ? [askingSentence(askedOf(first.config))] : []),
    ...(ownPrompt === undefined ? [] : [ownPromptNote(ownPrompt, id)]),
    ...(problems < headlineProblems
      ? [`${problems} problem${problems === 1 ? '' : 's'} per persona: PSS is biased low for so few. A headline takes ${headlineProblems}.`]
      : []),
    ...(seeds.length < 5 ? [`${seeds.length} seed${seeds.length === 1 ? '' : 's'}: intervals over so few are wide or absent.`] : []),
    ...(builds.size > 1 ? [`The runs were computed by ${builds.size} builds of the program.`] : []),
  ];
}
