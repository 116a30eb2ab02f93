/**
 * Kernels that have more than one form: how many times as fast as the other one an adapter computes with the form that it is given (`kernels/tuning.ts`).
 * The rules rest on arithmetic, and nobody has measured most adapters: below 1 here, the rule is wrong for this one.
 */
import { tablesOfRows } from '../engine/fused/batch.ts';
import { attentionBackward, attentionForward, attentionTeam } from '../engine/fused/kernels/attention.ts';
import { samplerPieces, sampleTokens } from '../engine/fused/kernels/decode.ts';
import { matmul } from '../engine/fused/kernels/matmul.ts';
import { staged, thin, tuningFor } from '../engine/fused/kernels/tuning.ts';
import { weightInput } from '../engine/fused/weight.ts';
import type { GpuContext } from '../engine/gpu/device.ts';
import { Plan } from '../engine/gpu/plan.ts';
import { alone, giveSubgroups, subgroupsOn } from '../engine/gpu/subgroups.ts';
import { wholeBuffer, type BufferView, type Work } from '../engine/gpu/work.ts';
import type { RowName } from './report.ts';

/** Two lists of dispatches with the same result. */
interface Contest {
  readonly name: RowName;
  readonly given: readonly Work[];
  readonly other: readonly Work[];
  /** The other one is compiled with every lane alone. */
  readonly otherAlone?: boolean;
}

/** So many of each in a measurement, so that the way to the GPU and back does not count. */
const chain = 8;

type Make = (numbers: number) => BufferView;

/** The projection down of SmolLM2-135M, of one row and in bf16. */
function decodeProduct(gpu: GpuContext, make: Make): Contest {
  const [n, k] = [576, 1536];
  const of = { kind: 'nt', m: 1, n, k, a: make(k), b: make((n * k) / 2), c: make(n), weightFormat: 'bf16' } as const;
  return {
    name: 'forms.decodeProduct',
    given: matmul(of, tuningFor(gpu)),
    other: matmul(of, { matmul: gpu.software ? thin : staged }),
  };
}

/** The gradient of a head's input, of 16 cells and 8,192 tokens: its sums at once, or one after the other. */
function headInput(gpu: GpuContext, make: Make): Contest {
  const [rows, out, inside] = [16, 8192, 128];
  const b = make(out * inside);
  const slot = { name: 'head', part: 0, offset: 0, shape: [out, inside], format: 'f32', sources: [] } as const;
  const layout = { slots: new Map([['head', slot]]), shards: new Map(), parts: [], maxBytes: Infinity };
  const of = { parameters: { layout, view: () => b, part: () => b }, name: 'head', rows, out, in: inside };
  const [dy, dx, partials] = [make(rows * out), make(rows * inside), make(4 * rows * inside)];
  const tuning = tuningFor(gpu);
  return {
    name: 'forms.headInput',
    given: weightInput(of, { dy, dx, partials }, tuning),
    other: weightInput(of, { dy, dx }, tuning),
  };
}

/** A token of one row, V 49,152: of several workgroups, or of one. */
function sampler(gpu: GpuContext, make: Make): Contest {
  const vocabulary = 49_152;
  const state = make(2);
  gpu.device.queue.writeBuffer(state.buffer, 0, Int32Array.of(1, 0));
  const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1, step: 0, firstRow: 0 };
  const of = { logits: make(vocabulary), active: make(1), sampled: make(3), state, rows: 1, vocabulary, sampling };
  const pieces = samplerPieces({ view: (_, length) => make(length) }, { ...of, software: false });
  const [one, several] = [sampleTokens(of), sampleTokens({ ...of, pieces })];
  return { name: 'forms.sampler', ...(gpu.software ? { given: one, other: several } : { given: several, other: one }) };
}

/** Attention forward and backward, one row of 256 places and two heads of 128 numbers over one key head. */
function attention(gpu: GpuContext, make: Make): Contest {
  const [places, heads, kvHeads, headDim] = [256, 2, 1, 128];
  const { segmentOf, segments } = tablesOfRows([places], places);
  const filled = (numbers: Int32Array<ArrayBuffer>) => {
    const view = make(numbers.length);
    gpu.device.queue.writeBuffer(view.buffer, 0, numbers);
    return view;
  };
  const [q, mixed, cells] = [places * (heads + 2 * kvHeads) * headDim, places * heads * headDim, places * heads];
  const of = {
    ...{ places, width: places, heads, kvHeads, headDim, segmentOf: filled(segmentOf), segments: filled(segments) },
    ...{ turned: make(q), out: make(mixed), lse: make(cells), dOut: make(mixed), delta: make(cells), dTurned: make(q) },
  };
  const works = (software: boolean) => {
    const shape = { ...of, team: attentionTeam(headDim, software) };
    return [attentionForward(shape), ...attentionBackward(shape)];
  };
  return { name: 'forms.attention', given: works(gpu.software), other: works(!gpu.software) };
}

/** A token of the 50 likeliest, V 49,152: 32 sums and more over a workgroup's lanes, by subgroups, or each lane adding all of them. */
function filteredSampler(gpu: GpuContext, make: Make): Contest {
  const vocabulary = 49_152;
  const state = make(2);
  gpu.device.queue.writeBuffer(state.buffer, 0, Int32Array.of(1, 0));
  const sampling = { temperature: 1, topK: 50, topP: 1, minP: 0, seed: 1, step: 0, firstRow: 0 };
  const works = sampleTokens({ logits: make(vocabulary), active: make(1), sampled: make(3), state, rows: 1, vocabulary, sampling });
  return { name: 'forms.subgroups', given: works, other: works, otherAlone: true };
}

const contests: readonly ((gpu: GpuContext, make: Make) => Contest)[] = [decodeProduct, headInput, sampler];
/** What software adapters compile for a minute. */
const onHardware = [attention];
/** Only where the adapter has subgroups whose size stays. */
const withSubgroups = [filteredSampler];

/** @param add ratios of the two, as they were measured  @param repeat rounds until there are enough */
export async function measureForms(
  gpu: GpuContext,
  add: (name: RowName, ratios: readonly number[]) => void,
  repeat: (run: () => Promise<() => void>) => Promise<void>,
): Promise<void> {
  const { device } = gpu;
  const subgroups = subgroupsOn(device);
  const some = [...contests, ...(gpu.software ? [] : onHardware), ...(subgroups.size > 1 ? withSubgroups : [])];
  for (const contest of some) {
    const buffers: GPUBuffer[] = [];
    const plans: Plan[] = [];
    try {
      const make: Make = (numbers) => {
        buffers.push(device.createBuffer({ size: Math.ceil(numbers) * 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST }));
        return wholeBuffer(buffers.at(-1)!);
      };
      const { name, given, other, otherAlone } = contest(gpu, make);
      const chained = (works: readonly Work[]) => Plan.create(device, Array.from({ length: chain }, () => works).flat(), 'form');
      plans.push(await chained(given));
      if (otherAlone) giveSubgroups(device, alone);
      plans.push(await chained(other));
      const milliseconds = async (plan: Plan) => {
        const encoder = device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        plan.encode(pass);
        pass.end();
        const start = performance.now();
        device.queue.submit([encoder.finish()]);
        await device.queue.onSubmittedWorkDone();
        return performance.now() - start;
      };
      for (const plan of plans) await milliseconds(plan);
      const times: [number, number][] = [];
      await repeat(async () => {
        const round: [number, number] = [await milliseconds(plans[0]!), await milliseconds(plans[1]!)];
        return () => void times.push(round);
      });
      gpu.check();
      // A browser's clock may tick too slowly for one of them.
      const ratios = times.filter((round) => round.every((ms) => ms > 0)).map(([mine, its]) => its / mine);
      if (ratios.length > 0) add(name, ratios);
    } finally {
      giveSubgroups(device, subgroups);
      for (const plan of plans) plan.dispose();
      for (const buffer of buffers) buffer.destroy();
    }
  }
}
