/** The numbers of a policy, host side, float32, keyed by Hugging Face tensor names (`model.layers.0.self_attn.q_proj.weight` [out, in], …). */
export type Weights = Readonly<Record<string, Float32Array>>;
