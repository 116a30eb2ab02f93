/** The portable engine on the two backends that run anywhere. */
import { describe } from 'vitest';
import { engineSuite } from '../helpers/engine-suite.ts';

describe('cpu', () => engineSuite('portable', 'cpu'));
describe('wasm', () => engineSuite('portable', 'wasm'));
