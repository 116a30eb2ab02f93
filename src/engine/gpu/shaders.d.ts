/** Written by `npm run shaders` from the WGSL in shaders/; not by hand. What the types mean is in shader.ts. */

declare module '*/decode/advance.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      begin: import('./shader.ts').EntryPoint<'row_ids' | 'state' | 'tokens' | 'logprobs' | 'entropies' | 'ended' | 'lengths', 'rows' | 'width' | 'repeats' | 'eos_count' | 'max_new_tokens' | 'max_positions' | 'pad_id'>;
      append: import('./shader.ts').EntryPoint<'row_ids' | 'state' | 'tokens' | 'logprobs' | 'entropies' | 'ended' | 'sampled' | 'eos_ids', 'rows' | 'width' | 'repeats' | 'eos_count' | 'max_new_tokens' | 'max_positions' | 'pad_id'>;
      compact: import('./shader.ts').EntryPoint<'row_ids' | 'state' | 'ended' | 'lengths' | 'sampled' | 'prompt_lengths' | 'next_tokens', 'rows' | 'width' | 'repeats' | 'eos_count' | 'max_new_tokens' | 'max_positions' | 'pad_id'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
    }
  >;
  export default shader;
}

declare module '*/decode/attend.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      attend: import('./shader.ts').EntryPoint<'qkv' | 'running' | 'prompt_lengths' | 'prompt_turned' | 'table' | 'norms' | 'out', 'rows' | 'repeats' | 'prompt_width' | 'completion_width' | 'heads' | 'kv_heads' | 'wide' | 'share' | 'eps' | 'scale' | 'offset' | 'window'>;
    },
    {
      WIDE: 8;
      SHARE: 2;
      CHUNK: 512;
      NORMED: false;
      ROWS_AT: 64;
      STEP: null;
      COLUMNS: null;
      SLICES: null;
    }
  >;
  export default shader;
}

declare module '*/decode/attention-half.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      attend: import('./shader.ts').EntryPoint<'qkv' | 'running' | 'prompt_lengths' | 'prompt_turned' | 'cache' | 'table' | 'norms' | 'out', 'rows' | 'repeats' | 'prompt_width' | 'completion_width' | 'heads' | 'kv_heads' | 'wide' | 'share' | 'eps' | 'scale' | 'offset' | 'window'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      Quad: null;
      PRESENT: null;
      WIDE: 8;
      SHARE: 2;
      CHUNK: 512;
      NORMED: false;
      ROWS_AT: 64;
      STEP: null;
      COLUMNS: null;
      SLICES: null;
    }
  >;
  export default shader;
}

declare module '*/decode/attention.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      attend: import('./shader.ts').EntryPoint<'qkv' | 'running' | 'prompt_lengths' | 'prompt_turned' | 'cache' | 'table' | 'norms' | 'out', 'rows' | 'repeats' | 'prompt_width' | 'completion_width' | 'heads' | 'kv_heads' | 'wide' | 'share' | 'eps' | 'scale' | 'offset' | 'window'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      Quad: null;
      PRESENT: null;
      WIDE: 8;
      SHARE: 2;
      CHUNK: 512;
      NORMED: false;
      ROWS_AT: 64;
      STEP: null;
      COLUMNS: null;
      SLICES: null;
    }
  >;
  export default shader;
}

declare module '*/decode/sampler-pieces.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      largest: import('./shader.ts').EntryPoint<'logits' | 'state' | 'maxima', 'vocabulary' | 'inverse_temperature' | 'greedy' | 'min_p' | 'seed' | 'step' | 'first_row' | 'logits_repeats' | 'first_place'>;
      weigh: import('./shader.ts').EntryPoint<'logits' | 'state' | 'row_maxima' | 'sums', 'vocabulary' | 'inverse_temperature' | 'greedy' | 'min_p' | 'seed' | 'step' | 'first_row' | 'logits_repeats' | 'first_place'>;
      choose: import('./shader.ts').EntryPoint<'logits' | 'state' | 'row_maxima' | 'row_sums' | 'row_ids' | 'sampled', 'vocabulary' | 'inverse_temperature' | 'greedy' | 'min_p' | 'seed' | 'step' | 'first_row' | 'logits_repeats' | 'first_place'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      PIECES: 16;
      CHUNKS: null;
      LINE: null;
    }
  >;
  export default shader;
}

declare module '*/decode/sampler.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      sample: import('./shader.ts').EntryPoint<'logits' | 'row_ids' | 'state' | 'sampled', 'vocabulary' | 'inverse_temperature' | 'greedy' | 'top_k' | 'outside' | 'min_p' | 'seed' | 'step' | 'first_row' | 'logits_repeats' | 'first_place'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
    }
  >;
  export default shader;
}

declare module '*/lib/gate.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    {
      GELU: false;
      GELU_SLOPE: 1.5957691216057308;
      GELU_CUBIC: 0.044715;
    }
  >;
  export default shader;
}

declare module '*/lib/packed.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    {
      FORMAT_F32: 0;
      FORMAT_BF16: 1;
      FORMAT_F16: 2;
      FORMAT: null;
    }
  >;
  export default shader;
}

declare module '*/lib/quads.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    {
      Quad: null;
      PRESENT: null;
    }
  >;
  export default shader;
}

declare module '*/lib/random.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    Record<never, never>
  >;
  export default shader;
}

declare module '*/lib/workgroup.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    {
      SUBGROUP: 1;
      LANES: 64;
    }
  >;
  export default shader;
}

declare module '*/nn/attention-segments.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    {
      HEAD_DIM: 64;
      Part: null;
      PARTS: null;
    }
  >;
  export default shader;
}

declare module '*/nn/attention-teams.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      forward: import('./shader.ts').EntryPoint<'turned' | 'segment_of' | 'out' | 'lse' | 'segments', 'places' | 'heads' | 'kv_heads' | 'window' | 'scale'>;
      backward_queries: import('./shader.ts').EntryPoint<'turned' | 'segment_of' | 'mixed_out' | 'row_lse' | 'dout' | 'delta' | 'dturned' | 'segments', 'places' | 'heads' | 'kv_heads' | 'window' | 'scale'>;
      backward_keys: import('./shader.ts').EntryPoint<'turned' | 'segment_of' | 'row_lse' | 'dout' | 'dturned' | 'row_delta' | 'segments', 'places' | 'heads' | 'kv_heads' | 'window' | 'scale'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      HEAD_DIM: 64;
      Part: null;
      PARTS: null;
      TEAM: 4;
      TEAMS: null;
      OWN: null;
      TILE: 8;
      Own: null;
    }
  >;
  export default shader;
}

declare module '*/nn/attention.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      forward: import('./shader.ts').EntryPoint<'turned' | 'segment_of' | 'out' | 'lse' | 'segments', 'places' | 'heads' | 'kv_heads' | 'window' | 'scale'>;
      backward_queries: import('./shader.ts').EntryPoint<'turned' | 'segment_of' | 'mixed_out' | 'row_lse' | 'dout' | 'delta' | 'dturned' | 'segments', 'places' | 'heads' | 'kv_heads' | 'window' | 'scale'>;
      backward_keys: import('./shader.ts').EntryPoint<'turned' | 'segment_of' | 'row_lse' | 'dout' | 'dturned' | 'row_delta' | 'segments', 'places' | 'heads' | 'kv_heads' | 'window' | 'scale'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      HEAD_DIM: 64;
      Part: null;
      PARTS: null;
      Head: null;
    }
  >;
  export default shader;
}

declare module '*/nn/columns.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      partial: import('./shader.ts').EntryPoint<'x' | 'sums', 'rows' | 'width' | 'chunk_rows' | 'chunks'>;
      reduce: import('./shader.ts').EntryPoint<'table' | 'partials' | 'gradients', never>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      Quad: null;
      PRESENT: null;
      COLUMNS: 16;
      TABLE_LINE: 5;
      SLICES: null;
    }
  >;
  export default shader;
}

declare module '*/nn/embedding.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      forward: import('./shader.ts').EntryPoint<'tokens' | 'table' | 'x' | 'limit', 'rows' | 'width' | 'limited' | 'scale' | 'first_token' | 'tokens_here'>;
      forward_packed: import('./shader.ts').EntryPoint<'tokens' | 'limit' | 'table_packed' | 'x_numbers', 'rows' | 'width' | 'limited' | 'scale' | 'first_token' | 'tokens_here'>;
      backward: import('./shader.ts').EntryPoint<'order' | 'starts' | 'ids' | 'dx' | 'dtable', 'rows' | 'width' | 'limited' | 'scale' | 'first_token' | 'tokens_here'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      Quad: null;
      PRESENT: null;
      FORMAT_F32: 0;
      FORMAT_BF16: 1;
      FORMAT_F16: 2;
      FORMAT: null;
      COLUMNS: 16;
      SLICES: null;
    }
  >;
  export default shader;
}

declare module '*/nn/matmul-blocks.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    {
      A_ALONG_K: true;
      B_ALONG_K: true;
      VECTOR: true;
      Element: null;
      Packed: null;
      RAGGED: true;
      PAIRED: false;
      LANES_X: 8;
      LANES_Y: 8;
      LANES_Z: 1;
      BLOCKS_M: 2;
      BLOCKS_N: 2;
      CELLS_M: null;
      CELLS_N: null;
      NEXT: null;
    }
  >;
  export default shader;
}

declare module '*/nn/matmul-direct.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      multiply: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'c' | 'bias' | 'residual', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      join: import('./shader.ts').EntryPoint<'row_limit' | 'c' | 'bias' | 'residual' | 'partials', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      gate_up: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'act', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      gate_up_saving: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'act' | 'gate_up_out', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      swiglu_backward: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'gate_up_out', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      FORMAT_F32: 0;
      FORMAT_BF16: 1;
      FORMAT_F16: 2;
      FORMAT: null;
      A_ALONG_K: true;
      B_ALONG_K: true;
      VECTOR: true;
      Element: null;
      Packed: null;
      RAGGED: true;
      PAIRED: false;
      LANES_X: 8;
      LANES_Y: 8;
      LANES_Z: 1;
      BLOCKS_M: 2;
      BLOCKS_N: 2;
      CELLS_M: null;
      CELLS_N: null;
      NEXT: null;
      ADD_BIAS: false;
      ADD_RESIDUAL: false;
      ACCUMULATE: false;
      WIDTH: 4;
      Result: null;
      IS_X: null;
      IS_Y: null;
      IS_Z: null;
      GELU: false;
      GELU_SLOPE: 1.5957691216057308;
      GELU_CUBIC: 0.044715;
      Gate: null;
    }
  >;
  export default shader;
}

declare module '*/nn/matmul-own.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    Record<never, never>
  >;
  export default shader;
}

declare module '*/nn/matmul-results.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      multiply: import('./shader.ts').EntryPoint<'c' | 'bias' | 'residual', never>;
      join: import('./shader.ts').EntryPoint<'c' | 'bias' | 'residual' | 'partials', never>;
      gate_up: import('./shader.ts').EntryPoint<'act', never>;
      gate_up_saving: import('./shader.ts').EntryPoint<'act' | 'gate_up_out', never>;
      swiglu_backward: import('./shader.ts').EntryPoint<'gate_up_out', never>;
    },
    {
      ADD_BIAS: false;
      ADD_RESIDUAL: false;
      ACCUMULATE: false;
      WIDTH: 4;
      Result: null;
      IS_X: null;
      IS_Y: null;
      IS_Z: null;
      GELU: false;
      GELU_SLOPE: 1.5957691216057308;
      GELU_CUBIC: 0.044715;
      Gate: null;
    }
  >;
  export default shader;
}

declare module '*/nn/matmul-thin.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      multiply: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'c' | 'bias' | 'residual', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      join: import('./shader.ts').EntryPoint<'row_limit' | 'c' | 'bias' | 'residual' | 'partials', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      gate_up: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'act', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      gate_up_saving: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'act' | 'gate_up_out', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      swiglu_backward: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'gate_up_out', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      FORMAT_F32: 0;
      FORMAT_BF16: 1;
      FORMAT_F16: 2;
      FORMAT: null;
      A_ALONG_K: true;
      B_ALONG_K: true;
      VECTOR: true;
      Element: null;
      Packed: null;
      RAGGED: true;
      PAIRED: false;
      LANES_X: 8;
      LANES_Y: 8;
      LANES_Z: 1;
      BLOCKS_M: 2;
      BLOCKS_N: 2;
      CELLS_M: null;
      CELLS_N: null;
      NEXT: null;
      GIVING: null;
      ADD_BIAS: false;
      ADD_RESIDUAL: false;
      ACCUMULATE: false;
      WIDTH: 4;
      Result: null;
      IS_X: null;
      IS_Y: null;
      IS_Z: null;
      GELU: false;
      GELU_SLOPE: 1.5957691216057308;
      GELU_CUBIC: 0.044715;
      Gate: null;
    }
  >;
  export default shader;
}

declare module '*/nn/matmul.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      multiply: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'c' | 'bias' | 'residual', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      join: import('./shader.ts').EntryPoint<'row_limit' | 'c' | 'bias' | 'residual' | 'partials', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      gate_up: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'act', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      gate_up_saving: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'act' | 'gate_up_out', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
      swiglu_backward: import('./shader.ts').EntryPoint<'a' | 'b' | 'b_packed' | 'row_limit' | 'gate_up_out', 'm' | 'n' | 'k' | 'span' | 'splits' | 'limited' | 'scale' | 'a_line' | 'a_first' | 'c_line' | 'c_first'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      FORMAT_F32: 0;
      FORMAT_BF16: 1;
      FORMAT_F16: 2;
      FORMAT: null;
      A_ALONG_K: true;
      B_ALONG_K: true;
      VECTOR: true;
      Element: null;
      Packed: null;
      RAGGED: true;
      PAIRED: false;
      LANES_X: 8;
      LANES_Y: 8;
      LANES_Z: 1;
      BLOCKS_M: 2;
      BLOCKS_N: 2;
      CELLS_M: null;
      CELLS_N: null;
      NEXT: null;
      DEPTH: 4;
      LINE_A: null;
      LINE_B: null;
      ADD_BIAS: false;
      ADD_RESIDUAL: false;
      ACCUMULATE: false;
      WIDTH: 4;
      Result: null;
      IS_X: null;
      IS_Y: null;
      IS_Z: null;
      GELU: false;
      GELU_SLOPE: 1.5957691216057308;
      GELU_CUBIC: 0.044715;
      Gate: null;
    }
  >;
  export default shader;
}

declare module '*/nn/rms-norm.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      forward: import('./shader.ts').EntryPoint<'x' | 'weight' | 'y' | 'rstd' | 'places' | 'limit' | 'residual', 'rows' | 'width' | 'numbers' | 'eps' | 'placed' | 'limited' | 'chunk_rows' | 'accumulate' | 'added' | 'offset'>;
      backward: import('./shader.ts').EntryPoint<'x' | 'weight' | 'row_rstd' | 'dy' | 'starts' | 'dx' | 'partials', 'rows' | 'width' | 'numbers' | 'eps' | 'placed' | 'limited' | 'chunk_rows' | 'accumulate' | 'added' | 'offset'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      Quad: null;
      PRESENT: null;
      TEAM: 64;
      TEAMS: null;
      BATCH: 8;
      LINE: null;
    }
  >;
  export default shader;
}

declare module '*/nn/swiglu.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      activate: import('./shader.ts').EntryPoint<'gate_up' | 'act', 'rows' | 'width'>;
      backward: import('./shader.ts').EntryPoint<'d_act' | 'gradient', 'rows' | 'width'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      Quad: null;
      PRESENT: null;
      GELU: false;
      GELU_SLOPE: 1.5957691216057308;
      GELU_CUBIC: 0.044715;
      Gate: null;
    }
  >;
  export default shader;
}

declare module '*/nn/turn.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      forward: import('./shader.ts').EntryPoint<'table' | 'raw' | 'turned' | 'positions', 'places' | 'heads' | 'kv_heads' | 'half' | 'eps' | 'chunk_rows' | 'offset'>;
      forward_normed: import('./shader.ts').EntryPoint<'table' | 'raw' | 'turned' | 'norms' | 'positions', 'places' | 'heads' | 'kv_heads' | 'half' | 'eps' | 'chunk_rows' | 'offset'>;
      backward: import('./shader.ts').EntryPoint<'table' | 'gradient' | 'positions', 'places' | 'heads' | 'kv_heads' | 'half' | 'eps' | 'chunk_rows' | 'offset'>;
      backward_normed: import('./shader.ts').EntryPoint<'table' | 'raw' | 'norms' | 'gradient' | 'partials' | 'positions', 'places' | 'heads' | 'kv_heads' | 'half' | 'eps' | 'chunk_rows' | 'offset'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      Quad: null;
      PRESENT: null;
      TEAM: 4;
      TEAMS: null;
    }
  >;
  export default shader;
}

declare module '*/optim/adamw.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      update: import('./shader.ts').EntryPoint<'p' | 'g' | 'm' | 'v' | 'state' | 'result', 'beta1' | 'beta2' | 'gain1' | 'gain2' | 'log_beta1' | 'log_beta2' | 'rate' | 'eps' | 'shrink' | 'decayed'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
    }
  >;
  export default shader;
}

declare module '*/optim/lora-blocks.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      keep_blocks: import('./shader.ts').EntryPoint<'gradient', 'rows' | 'width' | 'rank' | 'first_end' | 'second_end'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
    }
  >;
  export default shader;
}

declare module '*/optim/norm.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      square: import('./shader.ts').EntryPoint<'g' | 'sums', 'count' | 'rows' | 'max_norm'>;
      finish: import('./shader.ts').EntryPoint<'partials' | 'rows' | 'state' | 'result', 'count' | 'rows' | 'max_norm'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      ROW_TOKENS: 0;
      ROW_LOSS: 1;
      ROW_POLICY_LOSS: 2;
      ROW_KL: 3;
      ROW_ENTROPY: 4;
      ROW_CLIPPED_LOW: 5;
      ROW_CLIPPED_HIGH: 6;
      ROW_RATIO_MAX: 7;
      ROW_DIFFERENCE: 8;
      ROW_DIFFERENCE_MAX: 9;
      ROW_COLUMNS: 10;
      RUN: 16;
      LARGEST: 3.4e+38;
      NORM_EPSILON: 0.000001;
    }
  >;
  export default shader;
}

declare module '*/rl/cells.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      scatter: import('./shader.ts').EntryPoint<'cells' | 'logprob' | 'entropy' | 'grid_logprob' | 'grid_entropy', 'count' | 'first'>;
      gather: import('./shader.ts').EntryPoint<'cells' | 'grid_dlogprob' | 'grid_dentropy' | 'dlogprob' | 'dentropy', 'count' | 'first'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
    }
  >;
  export default shader;
}

declare module '*/rl/clipped-loss.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      measure: import('./shader.ts').EntryPoint<'logprob' | 'old' | 'ref_logprob' | 'mask' | 'advantage' | 'row_weight' | 'entropy' | 'rows', 'rows' | 'width' | 'term' | 'ratio' | 'kl' | 'old_use' | 'has_ref' | 'epsilon_low' | 'epsilon_high' | 'beta' | 'entropy_weight'>;
      total: import('./shader.ts').EntryPoint<'measured' | 'loss', 'rows' | 'width' | 'term' | 'ratio' | 'kl' | 'old_use' | 'has_ref' | 'epsilon_low' | 'epsilon_high' | 'beta' | 'entropy_weight'>;
      differentiate: import('./shader.ts').EntryPoint<'logprob' | 'old' | 'ref_logprob' | 'mask' | 'advantage' | 'row_weight' | 'dlogprob' | 'dentropy', 'rows' | 'width' | 'term' | 'ratio' | 'kl' | 'old_use' | 'has_ref' | 'epsilon_low' | 'epsilon_high' | 'beta' | 'entropy_weight'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      LOG_RATIO_LIMIT: 20;
      TERM_SFT: 0;
      TERM_REINFORCE: 1;
      TERM_CLIP: 2;
      TERM_CISPO: 3;
      KL_NONE: 0;
      KL_K1: 1;
      KL_K2: 2;
      KL_K3: 3;
      ROW_TOKENS: 0;
      ROW_LOSS: 1;
      ROW_POLICY_LOSS: 2;
      ROW_KL: 3;
      ROW_ENTROPY: 4;
      ROW_CLIPPED_LOW: 5;
      ROW_CLIPPED_HIGH: 6;
      ROW_RATIO_MAX: 7;
      ROW_DIFFERENCE: 8;
      ROW_DIFFERENCE_MAX: 9;
      ROW_COLUMNS: 10;
      RATIO_TOKEN: 0;
      RATIO_SEQUENCE_MEAN: 1;
      RATIO_SEQUENCE_SUM: 2;
      OLD_NONE: 0;
      OLD_RATIO: 1;
      OLD_MEASURE: 2;
    }
  >;
  export default shader;
}

declare module '*/rl/group-advantage.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      forward: import('./shader.ts').EntryPoint<'rewards' | 'advantage', 'groups' | 'size' | 'kind'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
      EPSILON: 0.0001;
      ADVANTAGE_GROUP_STD: 0;
      ADVANTAGE_GROUP: 1;
      ADVANTAGE_LEAVE_ONE_OUT: 2;
      ADVANTAGE_BATCH_STD: 3;
      ADVANTAGE_NONE: 4;
    }
  >;
  export default shader;
}

declare module '*/rl/objective.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    {
      LOG_RATIO_LIMIT: 20;
      TERM_SFT: 0;
      TERM_REINFORCE: 1;
      TERM_CLIP: 2;
      TERM_CISPO: 3;
      KL_NONE: 0;
      KL_K1: 1;
      KL_K2: 2;
      KL_K3: 3;
    }
  >;
  export default shader;
}

declare module '*/rl/row-sums.wgsl' {
  const shader: import('./shader.ts').Shader<
    Record<never, never>,
    {
      ROW_TOKENS: 0;
      ROW_LOSS: 1;
      ROW_POLICY_LOSS: 2;
      ROW_KL: 3;
      ROW_ENTROPY: 4;
      ROW_CLIPPED_LOW: 5;
      ROW_CLIPPED_HIGH: 6;
      ROW_RATIO_MAX: 7;
      ROW_DIFFERENCE: 8;
      ROW_DIFFERENCE_MAX: 9;
      ROW_COLUMNS: 10;
    }
  >;
  export default shader;
}

declare module '*/rl/token-logprob.wgsl' {
  const shader: import('./shader.ts').Shader<
    {
      forward: import('./shader.ts').EntryPoint<'logits' | 'targets' | 'logprob' | 'entropy' | 'stats', 'rows' | 'vocabulary' | 'inverse_temperature'>;
      backward: import('./shader.ts').EntryPoint<'logits' | 'targets' | 'row_entropy' | 'row_stats' | 'dlogprob' | 'dentropy' | 'dlogits', 'rows' | 'vocabulary' | 'inverse_temperature'>;
      backward_in_place: import('./shader.ts').EntryPoint<'targets' | 'row_entropy' | 'row_stats' | 'dlogprob' | 'dentropy' | 'dlogits', 'rows' | 'vocabulary' | 'inverse_temperature'>;
    },
    {
      SUBGROUP: 1;
      LANES: 64;
    }
  >;
  export default shader;
}

