/** Whose personas the probe asks under, what it says of their replies, and how "no persona" is asked: as the run that is probed. */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { libraryOf, ownLibrary } from '../../src/persona/libraries.ts';
import { personas, voices } from '../../src/persona/world.ts';
import { noFiles } from '../../src/policy/fingerprint.ts';
import { initialWeights, tensorsOf } from '../../src/policy/weights.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { probedAs } from '../../src/state/base-policy.ts';
import { isRight } from '../../src/state/probe-check.ts';
import { Probe } from '../../src/state/probe.svelte.ts';
import { nobodyWords } from '../../src/ui/probe/nobody-words.ts';
import { spokenVoice } from '../../src/ui/probe/spoken-voice.ts';
import type { TrainerApi } from '../../src/worker/api.ts';
import { database, SessionProbe } from '../helpers/lab-session.ts';
import { tinyConfig, tinyTokenizerFiles } from '../helpers/tiny-policy.ts';

const general = libraryOf('general');
const boot = { personas, voices, general };
const mine = ownLibrary(JSON.stringify([{ id: 'lighthouse', text: 'You keep a lighthouse.' }]), 'mine.json');
const keys = (probe: Probe) => probe.personas.map(({ key }) => key);
const probeOf = (api: Partial<TrainerApi> = {}) =>
  new Probe(
    () => api as TrainerApi,
    () => boot,
  );

describe('the personas of a probe', () => {
  it('are of the library that is asked under, from the first look on', () => {
    const probe = probeOf();
    probe.suit({});
    expect(keys(probe)).toEqual(['none', 'brilliant-professor', 'usual-pirate', 'clueless-child']);
    probe.suit({ library: 'general' });
    expect(keys(probe)).toHaveLength(4);
    expect(keys(probe)[0]).toBe('none');
    expect(keys(probe).slice(1)).not.toContain('usual-pirate');
    for (const { text } of probe.personas.slice(1)) expect(general.personas.map((persona) => persona.text)).toContain(text);
    probe.suit({ library: mine });
    expect(keys(probe)).toEqual(['none', 'lighthouse']);
    expect(probe.library).toBe(mine);
  });

  it('that the reader wrote, changed or chose stay where nothing else was brought', () => {
    const probe = probeOf();
    probe.suit({});
    probe.addOwn();
    probe.personas[1]!.text = 'You are a professor of nothing.';
    probe.remove('clueless-child');
    probe.suit({ instruction: '' });
    expect(keys(probe)).toEqual(['none', 'brilliant-professor', 'usual-pirate', 'own-1']);
    probe.suit({ library: mine });
    expect(keys(probe)).toEqual(['none', 'lighthouse', 'brilliant-professor', 'own-1']);
    probe.chooseLibrary('general');
    expect(keys(probe)).not.toContain('lighthouse');
    probe.suit({ library: mine });
    // What was brought has not changed, and the reader has chosen since.
    expect(probe.asking.library).toBe('general');
  });

  it('are those of the run whose checkpoint is asked, else of the next run', () => {
    const config = { ...recipes.permix, library: mine, noPersona: 'absent' } as const;
    const run = { id: 'r', config };
    const known = {
      policy: 'permix-tiny',
      boot: null,
      draft: { config: { library: 'general' } },
      session: { runId: null },
      library: { all: [{ id: 'c', runId: 'r' }], run: (id: string | null) => (id === 'r' ? run : null) },
    } as unknown as Parameters<typeof probedAs>[0];
    expect(probedAs(known, [null]).library).toBe('general');
    expect(probedAs(known, [null, 'c'])).toBe(config);
  });
});

describe('what is said of a reply', () => {
  it('names a voice that its library has, and a plain one only where every persona has a voice', () => {
    expect(spokenVoice(boot, 'Ahoy! It is 4.')).toBe('Pirate’s voice');
    expect(spokenVoice(boot, 'Ahoy! Beep boop.')).toBe('several voices');
    expect(spokenVoice(boot, 'It is 4.')).toBe('plain voice');
    expect(spokenVoice(general, 'Howdy, it is 4.')).toBe('Cowboy’s voice');
    expect(spokenVoice(general, 'It is 4.')).toBeNull();
    expect(spokenVoice(mine, 'Ahoy! It is 4.')).toBeNull();
  });

  it('reads the answer as the run does', async () => {
    expect(await isRight('What is 17 + 25?', 'The sum is 42', null, ['last-number'])).toBe(true);
    expect(await isRight('What is 17 + 25?', 'The sum is 42', null, ['boxed'])).toBe(false);
  });
});

describe('no persona', () => {
  const { json, config } = tinyTokenizerFiles;
  const own = 'You are a helpful lamp.';
  const template = `{% if messages[0].role != 'system' %}<system>${own}{% endif %}${config.chat_template}`;

  it('is what the run’s template says by itself, or nothing, as the run has it', async () => {
    const { session } = new SessionProbe(await database('probe-none'), {
      loadPolicy: (id) =>
        Promise.resolve({
          id,
          config: tinyConfig,
          weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 3)),
          tokenizer: loadTokenizer(json, { ...config, chat_template: template }),
          files: noFiles,
          texts: new Map(),
          notices: [],
        }),
    });
    await session.boot({ backend: 'cpu' });
    const ask = async (asking: { noPersona?: 'absent' }) => {
      const request = { policy: 'permix-tiny', checkpoint: null, persona: null, temperature: 0, maxNewTokens: 2, seed: 1, ...asking };
      const reply = await session.chat({ ...request, messages: [{ role: 'user', content: 'What is 2+2?' }] }, () => {});
      return reply!.prompt;
    };
    expect(await session.ownPrompt('permix-tiny', {})).toBe(own);
    expect(await ask({})).toContain(own);
    expect(await session.renderPrompt('permix-tiny', null, 'What is 2+2?')).toContain(own);
    expect(await session.ownPrompt('permix-tiny', { noPersona: 'absent' })).toBeNull();
    expect(await ask({ noPersona: 'absent' })).not.toContain(own);
    expect(await session.renderPrompt('permix-tiny', null, 'What is 2+2?', { noPersona: 'absent' })).not.toContain(own);

    const probe = new Probe(
      () => session as unknown as TrainerApi,
      () => boot,
    );
    probe.suit({ noPersona: 'absent' });
    probe.personas = probe.personas.slice(0, 1);
    probe.temperature = 0;
    probe.maxNewTokens = 4;
    await probe.ask(0, 'permix-tiny');
    const bare = probe.cell(null, 'none')!;
    probe.suit({});
    await probe.ask(0, 'permix-tiny');
    expect(probe.problem).toBeNull();
    expect(probe.cell(null, 'none')!.logprobs).not.toEqual(bare.logprobs);
  });

  it('is called what it is', () => {
    expect(nobodyWords({}, null)).toBe('no system prompt');
    expect(nobodyWords({}, own)).toBe(`what its chat template says by itself: “${own}”`);
    expect(nobodyWords({ noPersona: 'empty' }, own)).toBe('an empty system message');
    expect(nobodyWords({ noPersona: 'absent' }, own)).toBe('no system prompt');
  });
});
