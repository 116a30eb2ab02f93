/** Large matrices multiplied one after the other by jax-js: its part of the rates in src/benchmark/matmul-rate.ts. */
import { numpy as np } from '@jax-js/jax';
import { chain, type ProductChain } from '../../src/benchmark/matmul-rate.ts';

export function jaxChain(size: number): ProductChain {
  const random = () =>
    np.array(
      Float32Array.from({ length: size * size }, () => Math.random()),
      { shape: [size, size] },
    );
  const [a, b] = [random(), random()];
  return async () => {
    const products = Array.from({ length: chain }, () => np.matmul(a.ref, b.ref));
    await Promise.all(products.map((product) => product.blockUntilReady()));
    for (const product of products) product.dispose();
  };
}
