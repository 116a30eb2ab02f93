/**
 * The tensors of a GGUF under their Hugging Face names, with the rows of a Llama's queries and keys where Hugging Face has them: llama.cpp
 * rotates neighbouring numbers of a Llama's head, Hugging Face those half a head apart, and the converter moves the rows. Of Qwen, whose
 * heads llama.cpp rotates as Hugging Face does, it moves none.
 */
import { parameterShapes, type PolicyConfig } from './config.ts';
import type { GgufHeader } from './gguf-header.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import type { Tensor } from './tensor.ts';

export const embeddingName = 'token_embd.weight';
export const headName = 'output.weight';
/** Not a weight: what `gguf-config.ts` reads the scaling of the rotary embeddings from. */
export const ropeFactorsName = 'rope_freqs.weight';

/** Hugging Face's names, and llama.cpp's. */
const names: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
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
function ggufName(name: string): string {
  const [, layer, part, kind] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
  return `${layer === undefined ? '' : `blk.${layer}.`}${names[part!]}.${kind}`;
}

/** Every parameter of the policy. @throws LabError 'format' for one that is missing, of another shape, or that the family does not have */
export function ggufTensors(config: PolicyConfig, { tensors }: GgufHeader, metadata: GgufMetadata): Map<string, Tensor> {
  // A list of what is claimed is made only where it can be true.
  if (config.layers > tensors.size) metadata.refuse(`it claims ${config.layers} layers, and has ${tensors.size} tensors`);
  const found = new Map<string, Tensor>();
  const used = new Set([ropeFactorsName]);
  for (const { name, shape } of parameterShapes(config)) {
    const own = ggufName(name);
    const tensor = tensors.get(own);
    if (!tensor) return metadata.refuse(`it has no tensor ${own}`);
    if (tensor.shape.join() !== shape.join()) {
      metadata.refuse(`the tensor ${own} has the shape [${tensor.shape.join(', ')}], its metadata ask for [${shape.join(', ')}]`);
    }
    used.add(own);
    const moved = config.family === 'llama' && /\.(q_proj|k_proj)\./.test(name);
    found.set(name, { ...(moved ? halvesApart(tensor, config.headDim) : tensor), name });
  }
  const foreign = [...tensors.keys()].find((name) => !used.has(name));
  if (foreign !== undefined) metadata.refuse(`a policy of the family ${config.family} has no tensor ${foreign.slice(0, 80)}`);
  return found;
}

/** Rows 2j and 2j + 1 of every head become rows j and j + headDim / 2; read by whole heads. */
function halvesApart(tensor: Tensor, headDim: number): Tensor {
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
        const target = row - within + (within >> 1) + (within & 1) * (headDim / 2);
        moved.set(stored.subarray(row * rowBytes, (row + 1) * rowBytes), target * rowBytes);
      }
      return moved.subarray(from - first, to - first);
    },
  };
}
