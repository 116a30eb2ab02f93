/**
 * One step as a page of its own: every group with its question, replies, verdicts, rewards and advantages. It needs no server, no script and no
 * network, forbids them all, and prints well. It shows the same rollouts as `ui/rollouts`, and none of its colours.
 */
import type { Persona } from '../persona/persona.ts';
import type { RolloutRecord } from '../rl/events.ts';
import { recipeTitles } from '../rl/recipes.ts';
import type { RolloutsRecord } from '../storage/records.ts';
import type { RunStory } from './run-file.ts';
import { groupsOf } from './traces.ts';

/** @param personas by whose names the groups are called */
export function stepPage(
  { run, metrics }: RunStory,
  { step, rollouts }: Omit<RolloutsRecord, 'runId'>,
  personas: readonly Persona[],
): string {
  const { config, engine, name } = run;
  const row = metrics.find((record) => record.step === step)?.metrics ?? {};
  const title = `${name}, step ${step}`;
  const right = rollouts.filter(({ correct }) => correct).length;
  const numbers = Object.entries(row).map(([key, value]) => `<tr><th scope="row">${text(key)}</th><td>${number(value)}</td></tr>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${text(title)}</h1>
<p>${text(recipeTitles[config.recipe])}, seed ${config.seed}, policy ${text(config.policy)}, objective ${text(config.objective.name)}, ${text(engine.engine)} engine on
${text(engine.backend)}. ${rollouts.length} replies, ${right} of them right.</p>
${numbers.length > 0 ? `<details><summary>Numbers of the step</summary><table>${numbers.join('')}</table></details>` : ''}
${groupsOf(rollouts)
  .map((group) => groupSection(group, personas))
  .join('\n')}
</body>
</html>
`;
}

function groupSection(group: readonly RolloutRecord[], personas: readonly Persona[]): string {
  const { question, answer, personaId } = group[0]!;
  const named = personaId === null ? 'No persona' : (personas.find(({ id }) => id === personaId)?.name ?? personaId);
  const right = group.filter(({ correct }) => correct).length;
  const rows = group
    .toSorted((a, b) => b.advantage - a.advantage)
    .map(
      (
        one,
      ) => `<tr class="${one.correct ? 'right' : 'wrong'}"><td>${one.correct ? '✓ right' : '✗ wrong'}${one.ended ? '' : ', cut off'}<br><small>${text(one.reason)}</small></td>
<td class="number">${number(one.reward)}</td><td class="number">${number(one.advantage)}</td><td class="reply">${text(one.completion)}</td></tr>`,
    );
  return `<section>
<h2>${text(question)}</h2>
<p>${text(named)} · the answer is <b>${text(answer)}</b> · ${right} of ${group.length} right</p>
<table><thead><tr><th scope="col">Verdict</th><th scope="col">Reward</th><th scope="col">Advantage</th><th scope="col">Reply</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>
</section>`;
}

const style = `:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:0}
section{margin:2rem 0;break-inside:avoid}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-top:1px solid #8886}
.number{text-align:right;font-variant-numeric:tabular-nums}
.reply{white-space:pre-wrap;width:60%}
.right td:first-child{font-weight:600}
small{font-weight:400}
@media print{body{margin:0;max-width:none;font-size:11pt}details{display:none}}`;

/** As text, in an element or an attribute. */
const text = (value: string): string => value.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

const number = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(4))).replace('-', '−') : '–');
