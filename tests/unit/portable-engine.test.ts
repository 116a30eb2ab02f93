/** The portable engine on the two backends that run anywhere. */
import { describe } from 'vitest';
import { portableSuite } from '../helpers/portable-suite.ts';

describe('cpu', () => portableSuite('cpu'));
describe('wasm', () => portableSuite('wasm'));
