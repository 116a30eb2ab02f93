/**
 * The tensors of a GGUF under their Hugging Face names and back, with the rows of a Llama's queries and keys where Hugging Face has them: llama.cpp
 * rotates neighbouring numbers of a Llama's head, Hugging Face those half a head apart, and the converter moves the rows. Of the others, whose
 * heads llama.cpp rotates as Hugging Face does, it moves none. Of a family that counts the weights of its norms from one it stores what they multiply by.
 */
import { parameterShapes, type PolicyConfig } from './config.ts';
import { families } from './families.ts';
import type { GgufHeader } from './gguf-header.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import { memoryTensor, numbersOf, type Tensor } from './tensor.ts';

export const embeddingName = 'token_embd.weight';
export const headName = 'output.weight';
/** Not a weight: what `gguf-config.ts` reads the scaling of the rotary embeddings from. */
export const ropeFactorsName = 'rope_freqs.weight';

/** Hugging Face's names, and llama.cpp's; those of norms are by their place. */
const names: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

/** `model.layers.0.self_attn.q_proj.weight` → `blk.0.attn_q.weight` */
export function ggufName({ family }: Pick<PolicyConfig, 'family'>, name: string): string {
  const [, layer, part, kind] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
  const { attention, mlp } = families[family].norms;
  const norms = [
    [attention.before, 'attn_norm'],
    [attention.after, 'post_attention_norm'],
    [mlp.before, 'ffn_norm'],
    [mlp.after, 'post_ffw_norm'],
  ] as const;
  const own = norms.find(([theirs]) => theirs === part)?.[1] ?? names[part!];
  return `${layer === undefined ? '' : `blk.${layer}.`}${own}.${kind}`;
}

/** Every parameter of the policy. @throws LabError 'format' for one that is missing, of another shape, or that the family does not have */
export function ggufTensors(config: PolicyConfig, { tensors }: GgufHeader, metadata: GgufMetadata): Map<string, Tensor> {
  // A list of what is claimed is made only where it can be true.
  if (config.layers > tensors.size) metadata.refuse(`it claims ${config.layers} layers, and has ${tensors.size} tensors`);
  const found = new Map<string, Tensor>();
  const used = new Set([ropeFactorsName]);
  for (const { name, shape } of parameterShapes(config)) {
    const own = ggufName(config, name);
    const tensor = tensors.get(own);
    if (!tensor) return metadata.refuse(`it has no tensor ${own}`);
    if (tensor.shape.join() !== shape.join()) {
      metadata.refuse(`the tensor ${own} has the shape [${tensor.shape.join(', ')}], its metadata ask for [${shape.join(', ')}]`);
    }
    used.add(own);
    found.set(name, { ...asStored(config, tensor, name, halvesApart, -1), name });
  }
  const foreign = [...tensors.keys()].find((name) => !used.has(name));
  if (foreign !== undefined) metadata.refuse(`a policy of the family ${config.family} has no tensor ${foreign.slice(0, 80)}`);
  return found;
}

const isMoved = ({ family }: PolicyConfig, name: string) => family === 'llama' && /\.(q_proj|k_proj)\./.test(name);

/** A parameter as llama.cpp has it. */
export function ggufTensor(config: PolicyConfig, tensor: Tensor): Tensor {
  return asStored(config, tensor, tensor.name, pairsTogether, 1);
}

function asStored(config: PolicyConfig, tensor: Tensor, name: string, move: Move, direction: 1 | -1): Tensor {
  if (isMoved(config, name)) return movedRows(tensor, config.headDim, move);
  const { normOffset } = families[config.family];
  return normOffset !== 0 && name.endsWith('norm.weight') ? shifted(tensor, direction * normOffset) : tensor;
}

/** All its numbers, which are few, so much more. */
function shifted(tensor: Tensor, by: number): Tensor {
  const { name, shape } = tensor;
  return {
    ...memoryTensor(name, shape, new Float32Array(shape[0]!)),
    read: async (from, to) => {
      const numbers = (await numbersOf(tensor)).map((value) => value + by);
      return new Uint8Array(numbers.buffer).subarray(from, to);
    },
  };
}

/** Where a row of a head goes. */
type Move = (row: number, headDim: number) => number;
/** Rows 2j and 2j + 1 become rows j and j + headDim / 2. */
const halvesApart: Move = (row, headDim) => (row >> 1) + (row & 1) * (headDim / 2);
/** And back. */
const pairsTogether: Move = (row, headDim) => (row < headDim / 2 ? 2 * row : 2 * row - headDim + 1);

/** Read by whole heads. */
function movedRows(tensor: Tensor, headDim: number, move: Move): Tensor {
  const rowBytes = tensor.byteLength / tensor.shape[0]!;
  const headBytes = headDim * rowBytes;
  return {
    ...tensor,
    async read(from, to) {
      const first = Math.floor(from / headBytes) * headBytes;
      const stored = await tensor.read(first, Math.ceil(to / headBytes) * headBytes);
      const moved = new Uint8Array(stored.length);
      for (let row = 0; row * rowBytes < stored.length; row++) {
        const within = row % headDim;
        const target = row - within + move(within, headDim);
        moved.set(stored.subarray(row * rowBytes, (row + 1) * rowBytes), target * rowBytes);
      }
      return moved.subarray(from - first, to - first);
    },
  };
}
