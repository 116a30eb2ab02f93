/**
 * What scripts/wgsl-plugin.ts makes of a .wgsl file: its text, what each entry point binds, and the values of its constants.
 * The names are types too: `npm run shaders` writes them to shaders.d.ts, so that the compiler finds a buffer, a parameter or a
 * constant that a shader does not have, or that was forgotten.
 */

/** A storage buffer, or the uniform struct, whose name is always `params`. */
export type Binding<Buffer extends string = string> = { readonly binding: number } & (
  { readonly name: Buffer; readonly type: 'read-only-storage' | 'storage' } | { readonly name: 'params'; readonly type: 'uniform' }
);

export const scalarTypes = ['f32', 'u32', 'i32'] as const;

/** A scalar of the uniform struct; offset in bytes. */
export interface Param<Name extends string = string> {
  readonly name: Name;
  readonly offset: number;
  readonly type: (typeof scalarTypes)[number];
}

/** What an entry point touches, and nothing else. */
export interface EntryPoint<Buffer extends string = string, Name extends string = string> {
  readonly bindings: readonly Binding<Buffer>[];
  readonly params: readonly Param<Name>[];
}

/**
 * Names of the `const` and `alias` lines, which a dispatch may rewrite; the value where it is a plain number or truth value,
 * null where it is an expression or a type.
 */
export type Constants = Readonly<Record<string, number | boolean | null>>;

export interface Shader<
  E extends Readonly<Record<string, EntryPoint>> = Readonly<Record<string, EntryPoint>>,
  C extends Constants = Constants,
> {
  /** Path below shaders/, without the ending. */
  readonly label: string;
  readonly code: string;
  readonly entries: E;
  readonly constants: C;
}

export type EntryOf<S extends Shader> = keyof S['entries'] & string;
/** Storage buffers of an entry point, by the names the WGSL gives them. */
export type BufferOf<S extends Shader, E extends EntryOf<S>> = S['entries'][E] extends EntryPoint<infer Buffer, string> ? Buffer : never;
/** Fields of the uniform struct; none where the entry point does not read it. */
export type ParamOf<S extends Shader, E extends EntryOf<S>> = S['entries'][E] extends EntryPoint<string, infer Name> ? Name : never;
/** New values: a number is written as an unsigned integer, a string as it is. */
export type ConstantsOf<S extends Shader> = { readonly [Name in keyof S['constants']]?: number | string | boolean };
