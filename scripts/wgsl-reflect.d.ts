/** The package's main file is CommonJS without named exports in Node; this one has them, and no types of its own. */
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}
