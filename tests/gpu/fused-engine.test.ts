/** The fused engine, in a real browser, held to what the portable one is held to. */
import { engineSuite } from '../helpers/engine-suite.ts';

engineSuite('fused', 'webgpu');
