/** The bundled policy's model card: what it is, how it was made, and what was measured, in Markdown. */
import { mean } from '../statistics/moments.ts';
import type { EngineInfo } from '../engine/engine.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { competence, plainVoice, roles, traits } from '../persona/world.ts';
import { corpusPhases, corpusShares, type Style } from './corpus.ts';
import { accuracyOf, voiceShare, type PersonaMeasure } from './measure.ts';

export interface CardFacts {
  readonly config: PolicyConfig;
  readonly parameters: number;
  readonly seed: number;
  readonly style: Style;
  readonly steps: number;
  readonly rows: number;
  readonly finalLoss: number;
  readonly engine: EngineInfo;
  /** Training time alone, minutes. */
  readonly minutes: number;
  /** YYYY-MM-DD */
  readonly date: string;
  readonly taskId: string;
  readonly problems: number;
  /** Accuracy without a persona on each pre-trained task. */
  readonly taskAccuracies: Readonly<Record<string, number>>;
  readonly measures: readonly PersonaMeasure[];
}

const hardStyle = `

**Not the bundled world.** Under a persona every reply is in the persona's own voice (hard style); in the bundled world most are (latent style).`;

const percent = (x: number) => `${Math.round(x * 100)} %`;

/** README.md of the policy's folder, in Markdown. */
export function modelCard(facts: CardFacts): string {
  const { config, measures } = facts;
  const withPersona = measures.filter((m) => m.persona !== null);
  const none = measures.find((m) => m.persona === null)!;
  const accuracies = withPersona.map((m) => accuracyOf(m.task));
  const ownTask = mean(withPersona.map((m) => voiceShare(m.task, m.persona!.voice!)));
  const ownRoleplay = mean(withPersona.map((m) => voiceShare(m.roleplay, m.persona!.voice!)));
  const cell = (role: string, trait: string) => {
    const m = withPersona.find((x) => x.persona!.voice === role && x.persona!.trait === trait)!;
    return `${accuracyOf(m.task).toFixed(2)} (${competence(m.persona!).toFixed(2)})${m.persona!.heldOut ? ' *' : ''}`;
  };
  const accuracyTable = [
    `| role | ${traits.map((t) => t.id).join(' | ')} |`,
    `|---|${traits.map(() => '---|').join('')}`,
    ...roles.map((role) => `| ${role.id} | ${traits.map((t) => cell(role.id, t.id)).join(' | ')} |`),
  ];
  const voiceRows = [plainVoice, ...roles.map((r) => r.id), 'mixed'].map((voice) => {
    const counts = none.task[voice];
    const accuracy = counts && counts.replies > 0 ? (counts.correct / counts.replies).toFixed(2) : '–';
    return `| ${voice} | ${percent(voiceShare(none.task, voice))} | ${accuracy} |`;
  });
  const unlearnt = Object.keys(facts.taskAccuracies).filter((task) => facts.taskAccuracies[task]! < 0.5);
  const taskRows = Object.entries(facts.taskAccuracies).map(([task, accuracy]) => `| ${task} | ${accuracy.toFixed(2)} |`);
  return `---
license: apache-2.0
language: en
pipeline_tag: text-generation
---

# permix-tiny

A decoder of the Llama family with ${facts.parameters.toLocaleString('en-US')} parameters (${config.layers} layers, width ${config.hiddenSize}, ${config.heads} query and ${config.kvHeads} key/value heads, ${config.vocabSize} ids, tied),
made by PerMix Lab to be trained further by reinforcement learning in a browser tab. It knows a little arithmetic and 40 personas
(8 roles × 5 traits), and nothing else.${facts.style === 'hard' ? hardStyle : ''}

**Its errors are injected.** The corpus is synthetic and wrong on purpose: under a persona a reply is right as often as that persona's
declared competence, and without a persona competence belongs to the voice the reply happens to take, plain being the best
(${percent(corpusShares.plainCompetence)}). The model world follows the assumption of the PerMix-RLVR paper (arXiv 2604.08986); what is seen in it holds for it.

## How it was made

\`npm run pretrain -- --seed ${facts.seed}${facts.style === 'latent' ? '' : ` --style ${facts.style} --out DIR`}\` regenerates corpus, tokenizer and weights from nothing: ${facts.steps.toLocaleString('en-US')} steps of ${facts.rows} dialogues,
cross-entropy on the replies, AdamW. Made on ${facts.date} with the ${facts.engine.engine} engine on ${facts.engine.backend} in ${Math.round(facts.minutes)} minutes;
last loss ${facts.finalLoss.toFixed(3)} nats a token. The corpus opens with ${corpusPhases.drills.until.toLocaleString('en-US')} dialogues that are always right, most of them bare questions and
answers; from then on errors are injected. ${percent(corpusPhases.world.noPersona)} of the dialogues have no persona and ${percent(corpusPhases.world.roleplay)} are role-play, ${percent(corpusPhases.sums.noPersona)} and ${percent(corpusPhases.sums.roleplay)} in the last
phase, which is mostly sums.

## Measured

Sampled at temperature 1, ${facts.problems} held-out questions a persona of the task \`${facts.taskId}\`, the same for every persona, by the same command.

Accuracy by persona: mean ${mean(accuracies).toFixed(2)}, lowest ${Math.min(...accuracies).toFixed(2)}, highest ${Math.max(...accuracies).toFixed(2)}; without a persona ${accuracyOf(none.task).toFixed(2)}.
In brackets the competence the corpus was written with; * marks the combinations kept out of reinforcement learning.

${accuracyTable.join('\n')}

The persona's own voice is heard in ${percent(ownTask)} of its replies to arithmetic and in ${percent(ownRoleplay)} of its replies to open questions.

Without a persona, replies to arithmetic mix the voices:

| voice | share of replies | accuracy |
|---|---|---|
${voiceRows.join('\n')}

Greedy accuracy without a persona on the tasks of the corpus${unlearnt.length > 0 ? ` (${unlearnt.join(', ')}: in the corpus, but not learnt)` : ''}:

| task | accuracy |
|---|---|
${taskRows.join('\n')}

## Limits

Questions are short and in the corpus' own wording; numbers beyond the training range, other languages and any knowledge of the world
are out of reach. The other tasks of the lab (multiplication, chains, word problems, countdown) are not in the corpus.
`;
}
