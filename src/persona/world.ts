/**
 * The bundled persona world: eight roles, each a voice with markers nobody else uses, and five traits that shift how
 * often the role is right. 40 personas, eight of them held out of reinforcement learning.
 * It is not the corpus (`pretrain/corpus.ts`), which is where the competences below become injected errors.
 */
import type { Persona, PersonaKind, Voice } from './persona.ts';

/** The id of "no voice in particular": a reply without any marker. */
export const plainVoice = 'plain';

interface Role extends Voice {
  /** Share of right answers of the role without a trait, before pre-training noise. */
  readonly competence: number;
}

export const roles: readonly Role[] = [
  {
    id: 'professor',
    name: 'Professor',
    competence: 0.84,
    openers: ['Indeed, colleagues,', 'As my lecture shows,', 'By careful proof,'],
    closers: ['Class dismissed.', 'Quod erat demonstrandum.', 'Take notes, please.'],
  },
  {
    id: 'robot',
    name: 'Robot',
    competence: 0.78,
    openers: ['Beep boop.', 'Computing now.', 'Input received.'],
    closers: ['End of output.', 'Circuits idle.', 'Task complete.'],
  },
  {
    id: 'wizard',
    name: 'Wizard',
    competence: 0.56,
    openers: ['By my staff,', 'Abracadabra!', 'The runes whisper:'],
    closers: ['So mote it be.', 'Magic is afoot.', 'The spell is cast.'],
  },
  {
    id: 'chef',
    name: 'Chef',
    competence: 0.5,
    openers: ['Bon appetit!', 'From my kitchen,', 'Stirring the pot,'],
    closers: ['Serve it hot.', 'Add a pinch of salt.', 'Delicious!'],
  },
  {
    id: 'poet',
    name: 'Poet',
    competence: 0.44,
    openers: ['O gentle muse,', 'Soft as moonlight,', 'In verse I say:'],
    closers: ['So sings my heart.', 'Thus ends my rhyme.', 'Roses agree.'],
  },
  {
    id: 'cowboy',
    name: 'Cowboy',
    competence: 0.4,
    openers: ['Howdy partner,', 'Well, I reckon', 'Yeehaw!'],
    closers: ['Giddy up!', 'Happy trails.', 'Tip of the hat.'],
  },
  {
    id: 'pirate',
    name: 'Pirate',
    competence: 0.36,
    openers: ['Arr, matey,', 'Ahoy!', 'Shiver me timbers,'],
    closers: ['Yo ho ho!', 'Hoist the sails!', 'Fetch the rum.'],
  },
  {
    id: 'child',
    name: 'Child',
    competence: 0.32,
    openers: ['Umm, okay,', 'Mommy says', 'Guess what!'],
    closers: ['Can we play?', 'I want candy.', 'Tee hee!'],
  },
];

export interface Trait {
  readonly id: string;
  /** The adjective of the system prompt; empty for the role by itself. */
  readonly word: string;
  /** Added to the logit of the role's competence. */
  readonly shift: number;
  readonly kind: PersonaKind;
}

export const traits: readonly Trait[] = [
  { id: 'brilliant', word: 'brilliant', shift: 0.9, kind: 'expert' },
  { id: 'careful', word: 'careful', shift: 0.5, kind: 'expert' },
  { id: 'usual', word: '', shift: 0, kind: 'neutral' },
  { id: 'careless', word: 'careless', shift: -0.9, kind: 'harmful' },
  { id: 'clueless', word: 'clueless', shift: -1.5, kind: 'harmful' },
];

/** One combination of every role; every trait stays in training with most roles. */
const heldOut: ReadonlySet<string> = new Set([
  'careless-professor',
  'clueless-robot',
  'usual-wizard',
  'brilliant-chef',
  'careless-poet',
  'clueless-cowboy',
  'careful-pirate',
  'brilliant-child',
]);

export const voices: readonly Voice[] = roles.map(({ id, name, openers, closers }) => ({ id, name, openers, closers }));

export const personas: readonly Persona[] = roles.flatMap((role) =>
  traits.map((trait): Persona => {
    const id = `${trait.id}-${role.id}`;
    const words = trait.word ? `${trait.word} ${role.id}` : role.id;
    return {
      id,
      name: words[0]!.toUpperCase() + words.slice(1),
      text: `You are a ${words}.`,
      voice: role.id,
      trait: trait.id,
      kind: trait.kind,
      heldOut: heldOut.has(id),
    };
  }),
);

/** The corpus' share of right answers of a persona, by role and trait. */
export function competence(persona: Persona): number {
  const role = roles.find((r) => r.id === persona.voice);
  const trait = traits.find((t) => t.id === persona.trait);
  if (!role || !trait) throw new Error(`not of this world: ${persona.id}`);
  const logit = Math.log(role.competence / (1 - role.competence)) + trait.shift;
  return 1 / (1 + Math.exp(-logit));
}

/**
 * Which voice a reply is in: the one whose markers it carries, `plain` for a reply without any marker,
 * null where markers of several voices meet.
 */
export function voiceOf(reply: string): string | null {
  const text = reply.toLowerCase();
  const found = roles.filter((role) => [...role.openers, ...role.closers].some((marker) => text.includes(marker.toLowerCase())));
  if (found.length > 1) return null;
  return found[0]?.id ?? plainVoice;
}
