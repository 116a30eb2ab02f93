// The activation of a gated MLP, act(g) = g sigmoid(z), and what its slope is made of; the including shader says what a Gate is.
//
//   silu   z = g                                    z' = 1
//   gelu   z = 2 sqrt(2/pi) (g + 0.044715 g^3)      z' = 2 sqrt(2/pi) (1 + 3 * 0.044715 g^2)     its tanh approximation, as (1 + tanh(z/2)) / 2 = sigmoid(z)
//   act(g) = g s     act'(g) = s (1 + g z' (1 - s)),  s = sigmoid(z)

const GELU = false;
const GELU_SLOPE = 1.5957691216057308;
const GELU_CUBIC = 0.044715;

fn bent(g: Gate) -> Gate {
  if (GELU) {
    return GELU_SLOPE * g * (1.0 + GELU_CUBIC * g * g);
  }
  return g;
}

fn bend(g: Gate) -> Gate {
  if (GELU) {
    return GELU_SLOPE * (1.0 + 3.0 * GELU_CUBIC * g * g);
  }
  return Gate(1.0);
}

// Stops short of the infinity that exp(-z) would be.
fn gate_weight(g: Gate) -> Gate {
  return 1.0 / (1.0 + exp(min(-bent(g), Gate(80.0))));
}

fn activated(g: Gate) -> Gate {
  return g * gate_weight(g);
}

fn activation_slope(g: Gate, weight: Gate) -> Gate {
  return weight * (1.0 + g * bend(g) * (1.0 - weight));
}
