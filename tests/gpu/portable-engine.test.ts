/** The portable engine on WebGPU, in a real browser, against the same reference as on the other backends. */
import { engineSuite } from '../helpers/engine-suite.ts';

engineSuite('portable', 'webgpu');
