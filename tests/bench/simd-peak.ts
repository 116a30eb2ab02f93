/** The most that vectors of 128 bits do here: a WebAssembly loop that multiplies and adds in registers and reads nothing. */
import { main as compile } from 'assemblyscript/asc';
import { hasRelaxedSimd } from '../../src/engine/wasm/simd.ts';

/** Sums that do not wait for each other; with the two factors they are as many registers as there are. */
const sums = 12;
const rounds = 2_000_000;

/** GFLOP/s: the best of several. */
export async function simdPeak(): Promise<number> {
  const relaxed = hasRelaxedSimd();
  const every = (line: (i: number) => string) => Array.from({ length: sums }, (_, i) => line(i)).join('\n');
  const next = (i: number) => (relaxed ? `f32x4.relaxed_madd(a${i}, x, y)` : `f32x4.add(f32x4.mul(a${i}, x), y)`);
  const source = `
    export function run(rounds: i32): f32 {
      const x = f32x4.splat(0.5);
      const y = f32x4.splat(1);
      ${every((i) => `let a${i} = f32x4.splat(${i});`)}
      for (let i = 0; i < rounds; i++) {
        ${every((i) => `a${i} = ${next(i)};`)}
      }
      ${every((i) => (i === 0 ? '' : `a0 = f32x4.add(a0, a${i});`))}
      return f32x4.extract_lane(a0, 0);
    }`;
  let binary = new Uint8Array();
  const { error, stderr } = await compile(
    ['peak.ts', '-O3', '--runtime', 'stub', '--enable', relaxed ? 'simd,relaxed-simd' : 'simd', '--outFile', 'peak.wasm'],
    {
      readFile: (name) => (name === 'peak.ts' ? source : null),
      writeFile: (_, contents) => {
        if (typeof contents !== 'string') binary = new Uint8Array(contents);
      },
    },
  );
  if (error) throw new Error(`the loop does not compile: ${stderr.toString()}`);
  const { instance } = await WebAssembly.instantiate(binary);
  const run = instance.exports['run'] as (rounds: number) => number;
  let best = Infinity;
  for (let i = 0; i < 10; i++) {
    const start = performance.now();
    run(rounds);
    best = Math.min(best, performance.now() - start);
  }
  return (sums * 4 * 2 * rounds) / best / 1e6;
}
