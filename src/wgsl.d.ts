/** Shader files, loaded by scripts/wgsl-plugin.ts. */
declare module '*.wgsl' {
  const shader: import('./engine/gpu/pipeline.ts').Shader;
  export default shader;
}
