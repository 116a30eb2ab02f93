// What one token contributes to a loss, and its derivative in the token's log-prob: the policy terms and the divergences.
// Pure functions; formulas in src/engine/portable/kernels/clipped-loss.ts, test in tests/gpu/kernels.test.ts.

// The largest |log-ratio| that is exponentiated.
const LOG_RATIO_LIMIT = 20.0;

// The words of src/engine/engine.ts as numbers, which the host reads from here (src/engine/gpu/settings.ts).
const TERM_SFT = 0u;
const TERM_REINFORCE = 1u;
const TERM_CLIP = 2u;
const TERM_CISPO = 3u;

const KL_NONE = 0u;
const KL_K1 = 1u;
const KL_K2 = 2u;
const KL_K3 = 3u;

struct Term {
  value: f32,
  slope: f32, // d value / d log-ratio where it goes through the ratio, d value / d logprob otherwise
  through_ratio: bool, // then a sequence ratio shares it out among the tokens
  ratio: f32,
  clipped: vec2f, // 1 where the ratio was clipped low, high
}

// sft -lp | reinforce -A lp | clip -min(r A, clip(r, 1-el, 1+eh) A) | cispo -stop(min(r, eh)) A lp
fn objective_term(term: u32, lp: f32, log_ratio: f32, a: f32, epsilon_low: f32, epsilon_high: f32) -> Term {
  let r = exp(clamp(log_ratio, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT));
  switch term {
    case TERM_SFT: { return Term(-lp, -1.0, false, r, vec2f(0.0)); }
    case TERM_REINFORCE: { return Term(-a * lp, -a, false, r, vec2f(0.0)); }
    case TERM_CISPO: {
      let weight = min(r, epsilon_high) * a;
      return Term(-weight * lp, -weight, false, r, vec2f(0.0, select(0.0, 1.0, r > epsilon_high && a > 0.0)));
    }
    case TERM_CLIP: {
      let low = 1.0 - epsilon_low;
      let high = 1.0 + epsilon_high;
      let plain = r * a;
      let bounded = clamp(r, low, high) * a;
      let flows = plain <= bounded && abs(log_ratio) <= LOG_RATIO_LIMIT;
      let clipped = vec2f(select(0.0, 1.0, r < low && a < 0.0), select(0.0, 1.0, r > high && a > 0.0));
      return Term(-min(plain, bounded), select(0.0, -plain, flows), true, r, clipped);
    }
    default: { return Term(); } // no such term: the build holds the cases to the list above
  }
}

// exp(x) - 1. Near 0 by its series, where the subtraction would lose the digits; the two meet within 1e-7 at 0.5.
fn exp_minus_one(x: f32) -> f32 {
  if (abs(x) > 0.5) {
    return exp(x) - 1.0;
  }
  return x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0))))));
}

// (value, derivative in logprob) of a KL estimator, d = ref - logprob: k1 -d | k2 d^2 / 2 | k3 exp(d) - 1 - d,
// which is also what is measured where none is trained on.
fn divergence(kind: u32, d: f32) -> vec2f {
  switch kind {
    case KL_K1: { return vec2f(-d, 1.0); }
    case KL_K2: { return vec2f(0.5 * d * d, -d); }
    case KL_K3, KL_NONE: {
      let bounded = min(d, LOG_RATIO_LIMIT);
      let growth = exp_minus_one(bounded);
      return vec2f(growth * (1.0 + d - bounded) - bounded, -growth);
    }
    default: { return vec2f(); }
  }
}
