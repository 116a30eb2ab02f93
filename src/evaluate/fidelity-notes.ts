/** What a reader of fidelity has to know of its measures under these personas: which could not be taken, and which can hardly tell them apart. */
import type { Persona } from '../persona/persona.ts';
import { wilsonInterval } from '../statistics/intervals.ts';
import { voiceClass, type FidelityMeasures } from './fidelity.ts';
import type { Fidelity } from './report.ts';
import { replyKinds, type ReplyKind } from './request.ts';

const kindWords: Readonly<Record<ReplyKind, string>> = { task: 'task replies', roleplay: 'role-play replies' };

/** @param base of the frozen base, which is what can be reached; of the policy where it is its own */
export function fidelityNotes(personas: readonly Persona[], base: Fidelity): string[] {
  const classes = new Set(personas.map(voiceClass)).size;
  if (classes < 2) return ['All personas have one voice, so there is none to be identified.', ...styleNote(personas, base.task)];
  const notes = styleNote(personas, base.task);
  for (const kind of replyKinds) {
    if (base[kind].identification === null) {
      notes.push(`There were no other questions to train the voice classifier on, so there is no identification on ${kindWords[kind]}.`);
    }
    notes.push(...indistinct(kind, base[kind]));
  }
  return notes;
}

function styleNote(personas: readonly Persona[], { style, replies }: FidelityMeasures): string[] {
  if (style === null) return ['No persona has a voice with markers, so there is no style adherence.'];
  if (style.replies === replies) return [];
  const marked = Math.round((personas.length * style.replies) / replies);
  return [`Style adherence is of the ${marked} of ${personas.length} personas whose voice has markers; the other measures are of all.`];
}

/** Where the base's own replies are not told apart better than by chance, nothing is lost that could be measured. */
function indistinct(kind: ReplyKind, { replies, identification, likelihood }: FidelityMeasures): string[] {
  const measures = [
    ['voice classifier', identification && { value: identification.ceiling, chance: identification.chance }],
    ['likelihood', likelihood && { value: likelihood.accuracy, chance: likelihood.chance }],
  ] as const;
  return measures.flatMap(([name, reached]) => {
    if (!reached || wilsonInterval(reached.value, replies).low > reached.chance) return [];
    const [value, chance] = [reached.value, reached.chance].map((share) => `${Math.round(100 * share)} %`);
    const what = `On the base's own ${kindWords[kind]} the ${name} is right in ${value} of ${replies}, where chance is ${chance}`;
    return [`${what}: it cannot tell these personas apart there, and says nothing of what a policy lost.`];
  });
}
