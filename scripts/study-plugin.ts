/**
 * Puts the committed study beside the built page, where its Reproduce view looks for it: docs/reproduction/results.json as runs/study.json,
 * the protocol, and the lottery and the training of docs/real. There is one copy in the repository; a page that is built without one says so. What the page only parses (state/fetched.ts) is
 * checked here, the recorded run too: a build with a broken file fails.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Plugin } from 'vite';
import { readRecording } from '../src/exchange/read-recording.ts';
import { parseRunConfig } from '../src/rl/check.ts';
import { readLottery } from '../src/study/lottery.ts';
import { readRealTraining } from '../src/study/real-training.ts';
import { readStudy } from '../src/study/read-study.ts';

const root = resolve(import.meta.dirname, '..');
const files = {
  'reproduction/results.json': 'runs/study.json',
  'reproduction/protocol.md': 'runs/protocol.md',
  'real/results.json': 'runs/lottery.json',
  'real/training.json': 'runs/real-training.json',
};
/** In public/, so that it is put beside the page anyway. */
const recording = 'public/runs/rlvr-permix/recording.json';

/** Null where there is none. @param path from the root */
function textOf(path: string): string | null {
  const file = resolve(root, path);
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}

export function study(): Plugin {
  return {
    name: 'study',
    apply: 'build',
    buildStart() {
      const recorded = textOf(recording);
      if (recorded !== null) for (const { config } of readRecording(recorded).runs) parseRunConfig(config);
    },
    generateBundle() {
      for (const [name, fileName] of Object.entries(files)) {
        const source = textOf(`docs/${name}`);
        if (source === null) continue;
        if (name === 'reproduction/results.json') readStudy(source);
        if (name === 'real/results.json') readLottery(source);
        if (name === 'real/training.json') readRealTraining(source);
        this.emitFile({ type: 'asset', fileName, source });
      }
    },
  };
}
