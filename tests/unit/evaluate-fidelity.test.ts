/** Fidelity without a judge: the style scorer, the classifier, the likelihood measure, and what is made of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { trainClassifier } from '../../src/evaluate/classifier.ts';
import { FidelityScorer, headlineFidelity, voiceClass, type PersonaReplies } from '../../src/evaluate/fidelity.ts';
import { believedSpeaker, logMeanExp } from '../../src/evaluate/likelihood.ts';
import { promptMask } from '../../src/evaluate/mask.ts';
import { StyleScorer } from '../../src/evaluate/style.ts';
import type { Persona, Voice } from '../../src/persona/persona.ts';
import { personas as world, voiceOf, voices as worldVoices } from '../../src/persona/world.ts';
import { dialogue } from '../../src/pretrain/corpus.ts';

const voice = (id: string, openers: string[], closers: string[] = []): Voice => ({ id, name: id, openers, closers });

describe('style', () => {
  const scorer = new StyleScorer([voice('pirate', ['Arr, matey,'], ['Yo ho  ho!']), voice('robot', ['Beep boop.']), voice('mute', [])]);

  it('is strict about what is written and about other voices', () => {
    expect(scorer.score('ARR, matey, it is 4.', 'pirate')).toEqual({ strict: true, loose: true });
    expect(scorer.score('It is 4. Yo ho\nho!', 'pirate')).toEqual({ strict: true, loose: true });
    expect(scorer.score('Arr, matey, beep boop. It is 4.', 'pirate')).toEqual({ strict: false, loose: true });
    expect(scorer.score('**Arr** matey: it is 4', 'pirate')).toEqual({ strict: false, loose: true });
    expect(scorer.score('Barr, matey, it is 4', 'pirate')).toEqual({ strict: false, loose: false });
    expect(scorer.score('It is 4.', 'pirate')).toEqual({ strict: false, loose: false });
  });

  it('has nothing to say of a voice without markers', () => {
    expect(scorer.score('Beep boop.', 'mute')).toBeNull();
    expect(scorer.score('Beep boop.', null)).toBeNull();
    expect(scorer.score('Beep boop.', 'unheard of')).toBeNull();
    expect(new StyleScorer([]).score('Beep boop.', 'robot')).toBeNull();
  });

  it('hears in the bundled world what the world itself hears', () => {
    const all = new StyleScorer(worldVoices);
    let heard = 0;
    for (let n = 300_000; n < 300_600; n++) {
      const { reply } = dialogue(1, n);
      for (const { id } of worldVoices) {
        const { strict, loose } = all.score(reply, id)!;
        expect(strict).toBe(voiceOf(reply) === id);
        if (strict) expect(loose).toBe(true);
        if (strict) heard++;
      }
    }
    expect(heard).toBeGreaterThan(300);
  });

  it('takes any text as a marker', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (marker) => {
        const odd = new StyleScorer([voice('odd', [marker])]);
        const verdict = odd.score(`Well, ${marker} it is.`, 'odd');
        if (marker.trim() === '') expect(verdict).toBeNull();
        else expect(verdict!.loose || !verdict!.strict).toBe(true);
        expect(() => odd.score(marker, 'odd')).not.toThrow();
        if (marker.trim() !== '') expect(odd.score(marker, 'odd')!.strict).toBe(true);
      }),
    );
  });
});

describe('the classifier', () => {
  const samples = [
    ...['ahoy there matey', 'ahoy the sea', 'arr the sea matey'].map((text) => ({ text, label: 'pirate' })),
    ...['beep boop', 'beep the circuits', 'boop the circuits boop'].map((text) => ({ text, label: 'robot' })),
    ...['so sings the muse', 'the muse so soft'].map((text) => ({ text, label: 'poet' })),
  ];

  it('finds the minimum that scipy finds', async () => {
    // scipy.optimize L-BFGS-B on the same TF-IDF matrix, decay .01
    const known = {
      'ahoy matey': [0.9177301, 0.0514013, 0.0308686],
      'the circuits': [0.1050749, 0.8197088, 0.0752163],
      'soft muse': [0.0918012, 0.0890938, 0.819105],
      'beep ahoy': [0.4381062, 0.4959871, 0.0659067],
      'zzz qqq': [0.3751466, 0.4235479, 0.2013055],
    };
    const classifier = await trainClassifier(samples, { decay: 0.01, iterations: 2000, tolerance: 1e-9 });
    expect(classifier.classes).toEqual(['pirate', 'robot', 'poet']);
    for (const [text, expected] of Object.entries(known)) {
      const p = classifier.probabilities(text);
      expected.forEach((value, i) => expect(p[i]).toBeCloseTo(value, 6));
    }
  });

  it('does not depend on the order of its texts, and gives the same bits twice', async () => {
    const one = await trainClassifier(samples);
    const moved = await trainClassifier(samples.toReversed());
    for (const text of ['ahoy', 'the boop', 'muse of the sea', '']) {
      expect((await trainClassifier(samples)).probabilities(text)).toEqual(one.probabilities(text));
      one.classes.forEach((label, i) =>
        expect(moved.probabilities(text)[moved.classes.indexOf(label)]).toBeCloseTo(one.probabilities(text)[i]!, 3),
      );
      expect(one.probabilities(text).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    }
  });

  it('tells the voices of the bundled corpus apart, and says nothing sure of an unknown text', async () => {
    const heard = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => dialogue(1, from + i).reply)
        .map((text) => ({ text, label: voiceOf(text)! }))
        .filter(({ label }) => label !== null);
    const classifier = await trainClassifier(heard(300_000, 300_500));
    const test = heard(310_000, 310_200);
    const right = test.filter(({ text, label }) => classifier.predict(text) === label).length;
    expect(right / test.length).toBeGreaterThan(0.85);
  });

  it('refuses a single class', async () => {
    for (const bad of [[], samples.slice(0, 3)]) {
      let error: unknown = null;
      try {
        await trainClassifier(bad);
      } catch (caught) {
        error = caught;
      }
      expect(labErrorCode(error)).toBe('config');
    }
  });

  it('lets others have their turn while it learns, and stops when it is told to', async () => {
    const abort = new AbortController();
    let turns = 0;
    const timer = setInterval(() => ++turns === 2 && abort.abort(), 0);
    const many = Array.from({ length: 600 }, (_, i) => ({ text: dialogue(1, 300_000 + i).reply, label: String(i % 40) }));
    const error: unknown = await trainClassifier(many, { tolerance: 0 }, abort.signal).catch((caught: unknown) => caught);
    clearInterval(timer);
    expect(labErrorCode(error)).toBe('cancelled');
  });

  it('stands empty texts and texts that share nothing', async () => {
    const classifier = await trainClassifier([
      { text: '', label: 'a' },
      { text: 'x', label: 'b' },
      { text: 'y', label: 'b' },
    ]);
    expect(classifier.probabilities('z')[1]).toBeCloseTo(2 / 3, 3);
  });
});

describe('the mask', () => {
  it('takes out the words of every prompt, whoever speaks', () => {
    const mask = promptMask([{ text: 'You are a careless pirate.' }, { text: 'You are a wise poet.' }]);
    expect(mask('As a PIRATE, I say: pirates and the poet’s muse are wise.').replace(/\s+/g, ' ')).toBe(
      ' , I say: and the ’s muse .'.replace(/^ /, ' '),
    );
    expect(mask('Arr, matey!')).toBe('Arr, matey!');
  });
});

describe('the believed speaker', () => {
  it('is the likeliest voice, a voice being the mean of its personas', () => {
    const voices = ['a', 'a', 'b'];
    // P(y|a) = (.1 + .3) / 2 = .2, P(y|b) = .25
    const logprobs = [0.1, 0.3, 0.25].map(Math.log);
    expect(believedSpeaker(logprobs, voices, 1).identified).toBe(0);
    expect(believedSpeaker(logprobs, voices, 2).identified).toBe(1);
    expect(believedSpeaker(logprobs, voices, 1).pmi).toBeCloseTo(Math.log(0.3 / (0.65 / 3)), 12);
    expect(logMeanExp([-1000, -1000])).toBeCloseTo(-1000, 12);
  });

  it('shares a tie, and is worth nothing where the base ignores its prompt', () => {
    expect(believedSpeaker([-3, -3, -3, -3], ['a', 'b', 'c', 'd'], 2)).toEqual({ identified: 0.25, pmi: 0 });
    expect(believedSpeaker([-3, -3, -4], ['a', 'b', 'c'], 2).identified).toBe(0);
  });

  it('has a PMI of at most log P', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -500, max: 0, noNaN: true }), { minLength: 1, maxLength: 8 }), (logprobs) => {
        const { pmi } = believedSpeaker(
          logprobs,
          logprobs.map((_, i) => String(i)),
          0,
        );
        expect(pmi).toBeLessThanOrEqual(Math.log(logprobs.length) + 1e-9);
      }),
    );
  });
});

describe('fidelity', () => {
  const persona = (id: string, voiceId: string | null): Persona => ({
    id,
    name: id,
    text: `You are ${id}.`,
    voice: voiceId,
    trait: null,
    kind: 'neutral',
    heldOut: false,
  });
  const personas = [persona('p1', 'pirate'), persona('p2', 'pirate'), persona('r1', 'robot'), persona('someone', null)];
  const voices = [voice('pirate', ['Arr']), voice('robot', ['Beep'])];
  const training: PersonaReplies[] = [
    { personaId: 'p1', texts: ['Arr sea', 'Arr ship sea'], logprobs: null },
    { personaId: 'r1', texts: ['Beep metal', 'Beep metal wire'], logprobs: null },
    { personaId: 'someone', texts: ['well well', 'well then'], logprobs: null },
  ];
  const replies: PersonaReplies[] = [
    {
      personaId: 'p1',
      texts: ['Arr sea', 'metal wire'],
      logprobs: [
        [-1, -2, -5, -5],
        [-5, -5, -1, -5],
      ],
    },
    { personaId: 'r1', texts: ['Beep metal'], logprobs: [[-5, -5, -1, -5]] },
    { personaId: 'someone', texts: ['well well'], logprobs: [[-5, -1, -5, -2]] },
  ];

  it('is the mean of the three measures', async () => {
    const measured = (await FidelityScorer.create(personas, voices, training)).measure(replies, training);
    expect(measured.replies).toBe(4);
    // "someone" has no voice, hence no style.
    expect(measured.style).toEqual({ strict: 2 / 3, loose: 2 / 3, replies: 3 });
    // Two of the four replies are a pirate's: whoever always says so is right in half.
    expect(measured.identification).toEqual({ accuracy: 3 / 4, ceiling: 1, chance: 1 / 2 });
    expect(measured.likelihood).toEqual({ accuracy: 2 / 4, chance: 1 / 3 });
    expect(measured.mean).toBeCloseTo((2 / 3 + 3 / 4 + 2 / 4) / 3, 12);
    expect(measured.personas[0]).toMatchObject({
      personaId: 'p1',
      replies: 2,
      strict: 0.5,
      loose: 0.5,
      identification: 0.5,
      likelihood: 0.5,
    });
    expect(measured.personas[2]).toMatchObject({ strict: null, loose: null, identification: 1, likelihood: 0 });
    expect(headlineFidelity(measured, { ...measured, mean: 1 })).toBeCloseTo((measured.mean! + 1) / 2, 12);
    expect(headlineFidelity(measured, { ...measured, mean: null })).toBeNull();
    expect(voiceClass(persona('pirate', null))).not.toBe(voiceClass(persona('x', 'persona pirate')));
  });

  it('leaves out, as null, what cannot be measured', async () => {
    const bare = (await FidelityScorer.create([persona('a', null), persona('b', null)], [], null)).measure(
      [
        { personaId: 'a', texts: ['x'], logprobs: null },
        { personaId: 'b', texts: [], logprobs: null },
      ],
      [],
    );
    expect(bare).toMatchObject({ replies: 1, style: null, identification: null, likelihood: null, pmi: null, mean: null });
    const one = (
      await FidelityScorer.create(
        [persona('a', 'v'), persona('b', 'v')],
        [voice('v', ['Oh'])],
        [{ personaId: 'a', texts: ['Oh my', 'Oh no'], logprobs: null }],
      )
    ).measure([{ personaId: 'a', texts: ['Oh my'], logprobs: [[-1, -2]] }], []);
    // A single voice cannot be told apart from any other.
    expect(one).toMatchObject({ identification: null, likelihood: null, mean: 1 });
  });

  it('does not depend on the order of the personas', async () => {
    const order = [2, 0, 3, 1];
    const moved = (
      await FidelityScorer.create(
        order.map((i) => personas[i]!),
        voices,
        training,
      )
    ).measure(
      replies.toReversed().map((one) => ({ ...one, logprobs: one.logprobs!.map((row) => order.map((i) => row[i]!)) })),
      training,
    );
    const straight = (await FidelityScorer.create(personas, voices, training)).measure(replies, training);
    expect(moved.mean).toBeCloseTo(straight.mean!, 12);
    expect(moved.pmi).toBeCloseTo(straight.pmi!, 12);
  });

  it('finds every persona of the world in its own voice', async () => {
    const scorer = await FidelityScorer.create(world, worldVoices, null);
    const own = world.map(({ id, voice: voiceId }) => {
      const { openers } = worldVoices.find((one) => one.id === voiceId)!;
      return { personaId: id, texts: openers.map((opener) => `${opener} it is 4.`), logprobs: null };
    });
    expect(scorer.measure(own, own).style).toEqual({ strict: 1, loose: 1, replies: 120 });
  });
});
