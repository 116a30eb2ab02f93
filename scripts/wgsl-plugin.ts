/**
 * Build plugin: `import shader from '../../../shaders/rl/x.wgsl'` gives the WGSL text, with `// #include "lib/y.wgsl"` lines
 * (paths relative to shaders/) replaced by that file, once, and what its entry points bind (`Shader` in
 * src/engine/gpu/pipeline.ts). Layouts are read from the WGSL here, at build time, so they are written down only once and
 * no WGSL parser is shipped. The conventions it checks are in shaders/README.md.
 */
import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Plugin } from 'vite';
import { WgslReflect, type VariableInfo } from 'wgsl_reflect/wgsl_reflect.module.js';
import type { Binding, EntryPoint, Param, Shader } from '../src/engine/gpu/pipeline.ts';

const shaders = resolve(import.meta.dirname, '../shaders');

function expand(path: string, seen: Set<string>, watch: (file: string) => void): string {
  if (seen.has(path)) return '';
  seen.add(path);
  watch(path);
  return readFileSync(path, 'utf8').replace(/^\/\/ #include "(.+)"$/gm, (_, name: string) => expand(resolve(shaders, name), seen, watch));
}

function paramsOf(uniform: VariableInfo): Param[] {
  const members = (uniform.type as unknown as { members?: { name: string; offset: number; type: { name: string } }[] }).members;
  if (uniform.name !== 'params' || !members) throw new Error(`the uniform must be a struct called params, not ${uniform.name}`);
  return members.map(({ name, offset, type }) => {
    if (type.name !== 'f32' && type.name !== 'u32' && type.name !== 'i32') throw new Error(`params.${name} must be a scalar`);
    return { name, offset, type: type.name };
  });
}

/** Reads what each compute entry point of expanded WGSL binds. */
export function reflect(label: string, code: string): Shader {
  const module = new WgslReflect(code);
  const entries: Record<string, EntryPoint> = {};
  for (const entry of module.entry.compute) {
    const bindings: Binding[] = [];
    let params: Param[] = [];
    for (const resource of entry.resources) {
      if (resource.group !== 0) throw new Error(`${label}: ${resource.name} is not in bind group 0`);
      const uniform = resource.access === 'read' && (resource.resourceType as number) === 0;
      if (uniform) params = paramsOf(resource);
      const type = uniform ? 'uniform' : resource.access === 'read' ? 'read-only-storage' : 'storage';
      bindings.push({ name: resource.name, binding: resource.binding, type });
    }
    entries[entry.name] = { bindings: bindings.sort((a, b) => a.binding - b.binding), params };
  }
  return { label, code, entries };
}

/** The shader in a file, with what it includes. */
export function loadShader(path: string, watch: (file: string) => void = () => {}): Shader {
  const label = relative(shaders, path)
    .replaceAll('\\', '/')
    .replace(/\.wgsl$/, '');
  return reflect(label, expand(path, new Set(), watch));
}

export function wgsl(): Plugin {
  return {
    name: 'wgsl',
    enforce: 'pre',
    load(id) {
      const path = id.split('?')[0]!;
      if (!path.endsWith('.wgsl')) return null;
      const shader = loadShader(path, (file) => this.addWatchFile(file));
      return { code: `export default ${JSON.stringify(shader)};`, map: null };
    },
  };
}
