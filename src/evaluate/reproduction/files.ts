/** A finished study as the files a reader finds: results.json, README.md and figures, all made of the results and nothing else. */
import { headlineProblems } from '../report.ts';
import { judgeClaims, where } from './claims.ts';
import type { StudyResults } from './results.ts';
import { armTable, claimLines, claimTable, contrastTable, inferenceTable } from './table.ts';

/** Name → content. */
export function studyFiles(results: StudyResults): Readonly<Record<string, string>> {
  return {
    'results.json': `${JSON.stringify({ ...results, claims: judgeClaims(results) }, null, 1)}\n`,
    'README.md': readme(results),
  };
}

/** What is printed at the end. */
export function summaryLines(results: StudyResults): string[] {
  return [armTable(results), '', ...claimLines(results), '', ...caveats(results)];
}

function readme(results: StudyResults): string {
  const { study } = results;
  const contrasts = contrastTable(results);
  return [
    `# ${study.title}`,
    armTable(results),
    '## What the paper claims, and what was found',
    claimTable(results),
    ...(contrasts ? ['## Against the reference', contrasts] : []),
    '## Without training: search and votes',
    inferenceTable(results),
    ...caveats(results).map((line) => `- ${line}`),
    '',
  ].join('\n\n');
}

/** What a reader has to know before quoting a number. */
export function caveats(results: StudyResults): string[] {
  const { study, seeds } = results;
  const { problems } = study.examination;
  return [
    ...(problems < headlineProblems
      ? [`${problems} problems per persona: PSS is biased low for so few, a headline takes ${headlineProblems}.`]
      : []),
    ...(seeds.length < 5 ? [`${seeds.length} seed${seeds.length === 1 ? '' : 's'}: intervals over so few are wide or absent.`] : []),
    `Verdicts hold ${where(results)}.`,
  ];
}
