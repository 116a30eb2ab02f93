import { describe, expect, it } from 'vitest';
import { armValue, compare, judgeClaims } from '../../src/study/claims.ts';
import { studyFigures } from '../../src/study/figures.ts';
import { studyFiles, summaryLines } from '../../src/study/files.ts';
import { armTable, claimTable, contrastTable, inferenceTable } from '../../src/study/table.ts';
import { studyArms, studyWith, type Numbers } from '../helpers/study-results.ts';

/** PerMix half as stable again as RLVR, a little different with every seed. */
const clear = (arm: string, seed: number): Numbers => {
  const wobble = 1 + 0.01 * seed;
  if (arm === 'base') return { pss: 0.2, fidelity: 0.9, none: 0.6 };
  if (arm.startsWith('rlvr')) return { pss: 0.5 * wobble, fidelity: 0.6 / wobble, none: 0.9 };
  return { pss: 0.75, fidelity: 0.8, none: 0.88 * wobble };
};
const three = studyWith([1, 2, 3], clear);
const claim = (results = three, id = 'permix-pss') => judgeClaims(results).find((one) => one.id === id)!;

describe('claims', () => {
  it('are the t interval over seeds of the paired log-ratio', () => {
    const logs = [1, 2, 3].map((seed) => Math.log(0.75 / (0.5 * (1 + 0.01 * seed))));
    const mean = logs.reduce((a, b) => a + b) / 3;
    const std = Math.sqrt(logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2);
    // The 97.5th percentile of Student's t with 2 degrees of freedom, from a table.
    const half = (4.302653 * std) / Math.sqrt(3);
    const { ratio, low, high, verdict, seeds } = claim();
    expect(ratio).toBeCloseTo(Math.exp(mean), 10);
    expect(low).toBeCloseTo(Math.exp(mean - half), 5);
    expect(high).toBeCloseTo(Math.exp(mean + half), 5);
    expect([verdict, seeds]).toEqual(['reproduced in the model world', 3]);
  });

  it('fall the other way when the numbers do, and stay open where they cross or are one', () => {
    const swapped = studyWith([1, 2, 3], (arm, seed) => clear(arm.startsWith('rlvr') ? 'permix' : arm === 'base' ? arm : 'rlvr', seed));
    expect(claim(swapped).verdict).toBe('not reproduced');
    const crossing = studyWith([1, 2, 3], (arm, seed) => ({
      ...clear(arm, seed),
      pss: arm.startsWith('permix') ? [0.3, 0.6, 0.5][seed - 1]! : 0.5,
    }));
    expect(claim(crossing)).toMatchObject({ verdict: 'undecided', reason: expect.stringContaining('contains 1') as string });
    expect(claim(studyWith([1], clear))).toMatchObject({ verdict: 'undecided', low: null, reason: 'One seed has no interval.' });
    expect(claim(studyWith([1, 2], (arm, seed) => ({ ...clear(arm, seed), pss: 0 }))).verdict).toBe('undecided');
    expect(
      claim(
        studyWith([1, 2], (arm, seed) => ({ ...clear(arm, seed), fidelity: null })),
        'permix-fidelity',
      ),
    ).toMatchObject({
      verdict: 'undecided',
      reason: 'persona fidelity was not measured.',
    });
  });

  it('know what keeping an accuracy means: 95 % of it is enough, less is not', () => {
    const kept = (share: number) =>
      claim(
        studyWith([1, 2, 3], (arm, seed) => ({ ...clear(arm, seed), none: arm.startsWith('permix') ? share * (0.9 + 0.001 * seed) : 0.9 })),
        'permix-accuracy',
      );
    expect(kept(0.97)).toMatchObject({ verdict: 'reproduced in the model world', threshold: 0.95 });
    expect(kept(0.97).ratio).toBeCloseTo(0.972, 3);
    expect(kept(0.9).verdict).toBe('not reproduced');
  });

  it('say where they hold', () => {
    const { study } = three;
    const elsewhere = { ...three, study: { ...study, base: { ...study.base, id: 'smol', bundled: false } } };
    expect(claim(elsewhere).verdict).toBe('reproduced with the base smol');
  });

  it('are made once per setting, and only of arms that were run', () => {
    const more = [
      ...studyArms,
      { ...studyArms[1]!, id: 'rlvr-beta0', setting: 'β 0' },
      { ...studyArms[2]!, id: 'permix-beta0', setting: 'β 0' },
    ];
    const pss = judgeClaims(studyWith([1, 2], clear, more)).filter(({ id }) => id === 'permix-pss');
    expect(pss.map(({ setting, more: a, less }) => [setting, a, less])).toEqual([
      ['β 0.02', 'permix-beta0.02', 'rlvr-beta0.02'],
      ['β 0', 'permix-beta0', 'rlvr-beta0'],
    ]);
    expect(judgeClaims(studyWith([1, 2], clear, studyArms.slice(0, 2))).map(({ id }) => id)).toEqual(['rlvr-spread', 'rlvr-fidelity']);
    expect(judgeClaims(three).some(({ less }) => less === 'sft')).toBe(false);
  });

  it('compare any two arms, and average one', () => {
    expect(compare(three, 'none', 'base', 'rlvr-beta0.02').ratio).toBeCloseTo(0.6 / 0.9, 10);
    expect(armValue(three, 'base', 'pss')).toEqual({
      mean: expect.closeTo(0.2, 10) as number,
      half: expect.closeTo(0, 10) as number,
      values: [0.2, 0.2, 0.2],
    });
    expect(armValue(studyWith([1], clear), 'base', 'pss')!.half).toBeNull();
  });
});

describe('tables', () => {
  it('carry the numbers', () => {
    expect(armTable(three)).toMatch(/\| PerMix, β 0\.02 \|.*\| 0\.750 ± 0\.000 \|.*\| 0\.910 \|/);
    expect(claimTable(three)).toMatch(
      /PerMix has a higher Persona Stability Score than RLVR \|.*×1\.47 \(\+47\.1 %\) \| ×1\.4\d … ×1\.5\d \| larger \(×1\.4\d … ×1\.5\d\) \| \*\*reproduced in the model world\*\*/,
    );
    expect(inferenceTable(three)).toMatch(/\| Base \| vote of 4 \| 0\.654 \| 0 \| 12,345 \|/);
    expect(contrastTable(three)).toBeNull();
    const ablation = { ...three, study: { ...three.study, reference: 'rlvr-beta0.02' } };
    expect(contrastTable(ablation)).toMatch(/\| PerMix, β 0\.02 \| ×1\.47 \(\+47\.1 %\) \(×1\.4\d … ×1\.5\d\) \|/);
    expect(contrastTable(ablation)).not.toMatch(/^\| RLVR/m);
  });

  it('stand on a page with their caveats and provenance', () => {
    const page = studyFiles(studyWith([1, 2], clear))['README.md']!;
    for (const part of [
      '2 seeds: intervals',
      'injected',
      '6.0 hours over 6 runs',
      'build abc',
      'portable on wasm',
      'npm run reproduce --',
      '0123456789abcdef',
    ]) {
      expect(page).toContain(part);
    }
    expect(page).not.toMatch(/undefined|NaN|\[object/);
    expect(summaryLines(three).join('\n')).toContain(
      'PerMix has a higher Persona Stability Score than RLVR: reproduced in the model world (×1.47',
    );
    const few = { ...three, study: { ...three.study, examination: { problems: 10, fidelityReplies: 2 } } };
    expect(summaryLines(few).join('\n')).toContain('10 problems per persona: PSS is biased low');
    expect(summaryLines(three).join('\n')).not.toContain('biased low');
    const base = { ...three.study.base, ownPrompt: 'You are a helpful parrot.' };
    const parrot = studyFiles({ ...three, study: { ...three.study, base } })['README.md']!;
    expect(parrot).toMatch(/> .*“no persona” is a persona too: “You are a helpful parrot\.”/);
    expect(page).not.toContain('is a persona too');
  });

  it('survive JSON: what is drawn from the file is what was drawn from the study', () => {
    const files = studyFiles(three);
    const again = JSON.parse(files['results.json']!) as typeof three;
    expect(again.seeds.map(({ seed }) => seed)).toEqual([1, 2, 3]);
    expect(studyFiles(again)).toEqual(files);
  });
});

describe('figures', () => {
  const figures = studyFigures(three);
  it('have every number on the mark that stands for it', () => {
    expect(figures['pss.svg']).toContain('<title>RLVR, β 0.02, seed 3: 0.515</title>');
    expect(figures['pss.svg']).toContain('<title>Base, if personas did not matter: 0.910</title>');
    expect(figures['fidelity.svg']).toContain('<title>PerMix, β 0.02: 0.800 ± 0.000</title>');
    expect(figures['personas.svg']).toContain(`<title>PerMix, β 0.02, ${three.personas[1]!.name}`);
    expect(figures['training.svg']).toContain('<title>PerMix, β 0.02: 0.500 at 1, 0.600 at 3</title>');
    expect(figures['training.svg']).not.toContain('<title>Base:');
    expect(figures['lottery.svg']).toContain('<title>Base: ');
  });

  it('put more where there is more', () => {
    const x = (svg: string, title: string) => Number(new RegExp(`cx="([\\d.]+)"[^>]*><title>${title}`).exec(svg)![1]);
    const svg = figures['pss.svg']!;
    const [base, rlvr, permix] = ['Base, seed 1', 'RLVR, β 0.02, seed 1', 'PerMix, β 0.02, seed 1'].map((title) => x(svg, title));
    // 0.2, 0.505 and 0.75 on a linear axis.
    expect((rlvr! - base!) / (permix! - base!)).toBeCloseTo((0.505 - 0.2) / (0.75 - 0.2), 2);
  });

  it('are whole SVG, for light and for dark, also of one seed and of unmeasured fidelity', () => {
    const odd = studyWith([1], (arm, seed) => ({ ...clear(arm, seed), pss: 0, fidelity: null }));
    for (const svg of [...Object.values(figures), ...Object.values(studyFigures(odd))]) {
      expect(svg).toMatch(/^<svg [^>]*viewBox="0 0 \d+ \d+"/);
      expect(svg.trimEnd().endsWith('</svg>')).toBe(true);
      expect(svg).toContain('prefers-color-scheme:dark');
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
      expect([...svg.matchAll(/<(line|circle|path)\b/g)].length).toBe(
        [...svg.matchAll(/<\/(line|circle|path)>|\/>/g)].length - [...svg.matchAll(/<rect[^>]*\/>/g)].length,
      );
    }
  });
});
