/** Two backends, the same tokens, thirty optimiser steps: the parameters move alike. */
import { it } from 'vitest';
import { expectSameUpdates, trainForced } from '../helpers/forced-run.ts';

it('wasm follows cpu within 1e-4 of the update', async () => {
  expectSameUpdates(await trainForced('portable', 'wasm'), await trainForced('portable', 'cpu'), 1e-4);
});
