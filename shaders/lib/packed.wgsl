// Weights of 16 bits, two in a word, the first in its lower half. src/engine/fused/kernels/matmul.ts sets FORMAT.

const FORMAT_F32 = 0u;
const FORMAT_BF16 = 1u;
const FORMAT_F16 = 2u;
const FORMAT = FORMAT_F32;

fn unpack(pair: u32) -> vec2f {
  switch FORMAT {
    case FORMAT_BF16: { return bitcast<vec2f>(vec2u(pair << 16u, pair & 0xffff0000u)); }
    case FORMAT_F16: { return unpack2x16float(pair); }
    case FORMAT_F32: { return vec2f(); } // nothing is packed
    default: { return vec2f(); }
  }
}
