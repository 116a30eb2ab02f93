/** Shader files, loaded by scripts/wgsl-plugin.ts. */
declare module '*.wgsl' {
  const code: string;
  export default code;
}
