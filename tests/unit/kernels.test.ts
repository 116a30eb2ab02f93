/** The RL kernels' tf-ops twins against float64 references, on the backends that need no GPU. */
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe } from 'vitest';
import { resolve } from 'node:path';
import { headSuite } from '../helpers/head-suite.ts';
import { kernelSuite } from '../helpers/kernel-suite.ts';

describe('cpu', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });
  kernelSuite('cpu', { large: false });
  headSuite('cpu');
});

describe('wasm', () => {
  beforeAll(async () => {
    setWasmPaths(`${resolve(import.meta.dirname, '../../node_modules/@tensorflow/tfjs-backend-wasm/dist')}/`);
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    await tf.setBackend('wasm');
  });
  kernelSuite('wasm', { large: true });
  headSuite('wasm');
});
