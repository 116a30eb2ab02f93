/** The portable engine on WebGPU, in a real browser, against the same reference as on the other backends. */
import { portableSuite } from '../helpers/portable-suite.ts';

portableSuite('webgpu');
