/** The wasm engine, held to what the portable one is held to. */
import { engineSuite } from '../helpers/engine-suite.ts';

engineSuite('wasm', 'wasm');
