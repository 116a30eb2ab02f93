/**
 * Build plugin: `import shader from '../../../shaders/rl/x.wgsl'` gives the WGSL text, with `// #include "lib/y.wgsl"` lines
 * (paths relative to shaders/) replaced by that file, once, what its entry points bind and the values of its constants
 * (`Shader` in src/engine/gpu/shader.ts). Layouts and codes are read from the WGSL here, at build time, so they are written down
 * only once and no WGSL parser is shipped. The conventions it checks are in shaders/README.md.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { Plugin } from 'vite';
import { WgslReflect, type VariableInfo } from 'wgsl_reflect/wgsl_reflect.module.js';
import { scalarTypes, type Binding, type Constants, type EntryPoint, type Param, type Shader } from '../src/engine/gpu/shader.ts';

export const shaders = resolve(import.meta.dirname, '../shaders');

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
    const scalar = scalarTypes.find((known) => known === type.name);
    if (!scalar) throw new Error(`params.${name} must be a scalar, one of ${scalarTypes.join(', ')}`);
    return { name, offset, type: scalar };
  });
}

/** The `const` and `alias` lines, and the values of those that are a plain number or truth value. */
function constantsOf(code: string): Constants {
  const lines = code.matchAll(/^(?:const|alias) (\w+)(?:: \w+)? = ([^;]+);/gm);
  return Object.fromEntries([...lines].map(([, name, text]) => [name!, valueOf(text!)]));
}

function valueOf(text: string): number | boolean | null {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(\.\d+)?(e-?\d+)?[uif]?$/.test(text) ? parseFloat(text) : null;
}

/**
 * WGSL wants a `default` in every switch, and has no enumerations whose cases its compiler would count. So the build does: a switch
 * that names one word of a list (`TERM_SFT`) names all of them.
 */
function checkSwitches(label: string, code: string, constants: Constants): void {
  for (const start of code.matchAll(/\bswitch\b[^{]*\{/g)) {
    const body = blockAfter(code, start.index + start[0].length);
    const named = new Set([...body.matchAll(/\bcase ([^:]+):/g)].flatMap(([, words]) => words!.split(',').map((word) => word.trim())));
    for (const list of new Set([...named].filter((word) => word in constants).map((word) => word.split('_')[0]!))) {
      const missing = Object.keys(constants).filter((name) => name.startsWith(`${list}_`) && !named.has(name));
      if (missing.length > 0) throw new Error(`${label}: a switch over ${list}_… has no case for ${missing.join(', ')}`);
    }
  }
}

/** Up to the brace that closes the one before `from`. */
function blockAfter(code: string, from: number): string {
  let depth = 1;
  let at = from;
  while (depth > 0 && at < code.length) {
    if (code[at] === '{') depth += 1;
    if (code[at] === '}') depth -= 1;
    at += 1;
  }
  return code.slice(from, at);
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
      bindings.push(
        uniform
          ? { name: 'params', binding: resource.binding, type: 'uniform' }
          : { name: resource.name, binding: resource.binding, type: resource.access === 'read' ? 'read-only-storage' : 'storage' },
      );
    }
    entries[entry.name] = { bindings: bindings.sort((a, b) => a.binding - b.binding), params };
  }
  const constants = constantsOf(code);
  checkSwitches(label, code, constants);
  return { label, code, entries, constants };
}

/** The shader in a file, with what it includes. */
export function loadShader(path: string, watch: (file: string) => void = () => {}): Shader {
  const label = relative(shaders, path)
    .replaceAll('\\', '/')
    .replace(/\.wgsl$/, '');
  return reflect(label, expand(path, new Set(), watch));
}

/** All of them, in the order of their labels. */
export function allShaders(): Shader[] {
  const files = readdirSync(shaders, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.wgsl'));
  return files.sort().map((file) => loadShader(join(shaders, file)));
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
