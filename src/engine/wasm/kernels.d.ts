/** Written by `npm run shaders` from the AssemblyScript in kernels/, where it says what they do; not by hand. */

declare module '*/kernels/index.ts?kernels' {
  /** Addresses and steps are bytes, lengths are numbers. */
  export interface Kernels {
    adamW(
      n: number,
      p: number,
      g: number,
      m: number,
      v: number,
      beta1: number,
      gain1: number,
      beta2: number,
      gain2: number,
      rate: number,
      eps: number,
      shrink: number,
    ): void;
    add(n: number, x: number, y: number): void;
    addColumns(rows: number, d: number, x: number, sum: number): void;
    addRows(count: number, d: number, places: number, x: number, y: number): void;
    attend(
      segments: number,
      count: number,
      columns: number,
      heads: number,
      kvHeads: number,
      hd: number,
      window: number,
      scale: number,
      x: number,
      keys: number,
      values: number,
      scores: number,
      out: number,
      lse: number,
    ): void;
    attendBackward(
      segments: number,
      count: number,
      columns: number,
      heads: number,
      kvHeads: number,
      hd: number,
      window: number,
      scale: number,
      x: number,
      keys: number,
      valuePanels: number,
      keyRows: number,
      weights: number,
      slopes: number,
      queries: number,
      dQueries: number,
      dOuts: number,
      out: number,
      lse: number,
      dOut: number,
      dx: number,
    ): void;
    attendNext(
      rows: number,
      count: number,
      columns: number,
      room: number,
      heads: number,
      kvHeads: number,
      hd: number,
      window: number,
      scale: number,
      x: number,
      keys: number,
      values: number,
      ownKeys: number,
      ownValues: number,
      scores: number,
      out: number,
      lse: number,
    ): void;
    embed(places: number, d: number, tokens: number, panels: number, x: number, scale: number, kind: number): void;
    embedBackward(places: number, d: number, tokens: number, dPanels: number, dx: number, scale: number): void;
    fill(bytes: number, x: number): void;
    firstFree(): number;
    gated(rows: number, f: number, gateUp: number, y: number, activation: number): void;
    gatedBackward(rows: number, f: number, gateUp: number, dy: number, activation: number): void;
    gatherRows(count: number, d: number, places: number, x: number, y: number): void;
    keepColumns(rows: number, k: number, row: number, column: number, some: number, panels: number): void;
    multiplyColumns(
      m: number,
      n: number,
      k: number,
      a: number,
      aStep: number,
      aPanel: number,
      b: number,
      bStep: number,
      bPanel: number,
      c: number,
      cRow: number,
      cPanel: number,
      add: number,
    ): void;
    multiplyRowPacked(n: number, k: number, a: number, b: number, c: number, init: number, kind: number): void;
    multiplyRows(
      m: number,
      n: number,
      k: number,
      a: number,
      aRow: number,
      b: number,
      bStep: number,
      bPanel: number,
      c: number,
      cRow: number,
      cPanel: number,
      init: number,
      initRow: number,
      initPanel: number,
    ): void;
    packBlocks(rows: number, k: number, from: number, panels: number, row: number): void;
    packColumns(k: number, n: number, from: number, fromRow: number, panels: number): void;
    packFours(k: number, n: number, from: number, fromRow: number, panels: number): void;
    packKeys(segments: number, count: number, columns: number, kvHeads: number, hd: number, x: number, xRow: number, panels: number): void;
    packRows(
      rows: number,
      width: number,
      from: number,
      fromRow: number,
      panels: number,
      k: number,
      row: number,
      column: number,
      kind: number,
    ): void;
    packValues(segments: number, count: number, columns: number, kvHeads: number, hd: number, x: number, xRow: number, rows: number): void;
    rmsNorm(
      rows: number,
      width: number,
      x: number,
      xRow: number,
      weight: number,
      y: number,
      yRow: number,
      residual: number,
      eps: number,
      offset: number,
    ): void;
    rmsNormBackward(
      rows: number,
      width: number,
      x: number,
      xRow: number,
      weight: number,
      dy: number,
      dx: number,
      dRow: number,
      add: number,
      dWeight: number,
      eps: number,
      offset: number,
    ): void;
    sample(
      v: number,
      logits: number,
      weights: number,
      keys: number,
      greedy: number,
      inverse: number,
      topK: number,
      outside: number,
      minP: number,
      uniform: number,
      logprob: number,
    ): number;
    scale(n: number, x: number, factor: number): void;
    sumOfSquares(n: number, x: number): number;
    tokenLogprob(
      rows: number,
      v: number,
      logits: number,
      targets: number,
      inverse: number,
      logprob: number,
      entropy: number,
      stats: number,
    ): void;
    tokenLogprobBackward(
      rows: number,
      v: number,
      logits: number,
      targets: number,
      inverse: number,
      entropy: number,
      stats: number,
      dLogprob: number,
      dEntropy: number,
    ): void;
    turn(
      places: number,
      heads: number,
      kvHeads: number,
      hd: number,
      raw: number,
      turned: number,
      table: number,
      positions: number,
      norms: number,
      eps: number,
      offset: number,
    ): void;
    turnBackward(
      places: number,
      heads: number,
      kvHeads: number,
      hd: number,
      gradient: number,
      raw: number,
      table: number,
      positions: number,
      norms: number,
      dNorms: number,
      eps: number,
      offset: number,
    ): void;
    turnPanels(count: number, k: number, panels: number, to: number, kind: number): void;
    unpackPanels(n: number, from: number, to: number, kind: number): void;
    unpackRows(rows: number, width: number, to: number, toRow: number, panels: number, k: number, row: number, column: number): void;
  }
  /** The module, in base64. */
  const binary: string;
  export default binary;
}

declare module '*/kernels/index.ts?kernels-relaxed' {
  const binary: string;
  export default binary;
}
