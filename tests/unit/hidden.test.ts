/** What is said when the reader comes back to a tab in which a run was under way. */
import { expect, it } from 'vitest';
import { awaySentence } from '../../src/state/hidden.ts';

const away = (seconds: number, steps: number, frozen = false, told = false) => awaySentence({ seconds, steps, frozen }, told);

it('says once that a hidden tab trains on', () => {
  expect(away(120, 14)).toMatch(/trained on while it was hidden: 14 steps were made\. .*slow a hidden tab down/);
  expect(away(120, 1)).toMatch(/one step was made/);
  expect(away(120, 14, false, true)).toBeNull();
  expect(away(2, 1)).toBeNull();
});

it('says every time that it did not', () => {
  expect(away(600, 0, false, true)).toMatch(/No step was made/);
  // A slow machine may be in the middle of one.
  expect(away(20, 0)).toBeNull();
  expect(away(600, 3, true, true)).toMatch(/held this tab still .* 3 steps were made/);
});
