/** SwiGLU (Shazeer 2020): silu(gate) · up of one matrix [N, 2F] = [gate | up], forward beside backward. */
import * as tf from '@tensorflow/tfjs';
import { hostTensor, hostView, onHost } from '../host.ts';

/** [N, 2F] -> [N, F] */
export const swiglu = tf.customGrad((gateUp, save) => {
  (save as tf.GradSaveFunc)([gateUp as tf.Tensor]);
  return {
    value: forward(gateUp as tf.Tensor2D),
    gradFunc: (dy, saved) => backward(saved[0] as tf.Tensor2D, dy as tf.Tensor2D),
  };
}) as (gateUp: tf.Tensor2D) => tf.Tensor2D;

function halves(gateUp: tf.Tensor2D): [tf.Tensor2D, tf.Tensor2D] {
  const [rows, width] = gateUp.shape;
  return [tf.slice(gateUp, [0, 0], [rows, width / 2]), tf.slice(gateUp, [0, width / 2], [rows, width / 2])];
}

function forward(gateUp: tf.Tensor2D): tf.Tensor2D {
  const [rows, width] = gateUp.shape;
  if (!onHost()) {
    const [gate, up] = halves(gateUp);
    return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
  }
  // The sigmoid of the `up` half is wasted, yet one call of the backend's is five times faster than Math.exp on the gates.
  const sigmoid = tf.sigmoid(gateUp);
  const y = hostTensor<tf.Tensor2D>([rows, width / 2]);
  const [x, s, to] = [hostView(gateUp), hostView(sigmoid), hostView(y)];
  const half = width / 2;
  for (let row = 0, at = 0, out = 0; row < rows; row++, at += width, out += half) {
    for (let i = 0; i < half; i++) to[out + i] = x[at + i]! * s[at + i]! * x[at + half + i]!;
  }
  sigmoid.dispose();
  return y;
}

/** With s = sigmoid(gate): dgate = dy · up · s · (1 + gate·(1 - s)), dup = dy · gate · s. */
function backward(gateUp: tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor2D {
  const [rows, width] = gateUp.shape;
  if (!onHost()) {
    const [gate, up] = halves(gateUp);
    const s = tf.sigmoid(gate);
    const silu = tf.mul(gate, s);
    const slope = tf.add(s, tf.mul(silu, tf.sub(1, s)));
    return tf.concat([tf.mul(tf.mul(dy, up), slope), tf.mul(dy, silu)], 1) as tf.Tensor2D;
  }
  const sigmoid = tf.sigmoid(gateUp);
  const dx = hostTensor<tf.Tensor2D>([rows, width]);
  const [x, s, dOut, dIn] = [hostView(gateUp), hostView(sigmoid), hostView(dy), hostView(dx)];
  const half = width / 2;
  for (let row = 0, at = 0, out = 0; row < rows; row++, at += width, out += half) {
    for (let i = 0; i < half; i++) {
      const gate = x[at + i]!;
      const gateSigmoid = s[at + i]!;
      const d = dOut[out + i]! * gateSigmoid;
      dIn[at + i] = d * x[at + half + i]! * (1 + gate * (1 - gateSigmoid));
      dIn[at + half + i] = d * gate;
    }
  }
  sigmoid.dispose();
  return dx;
}
