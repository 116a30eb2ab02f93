/** What lint holds besides taste (which is prettier's). The arrows between rooms are in .dependency-cruiser.cjs. */
import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

/** A blocking read stalls the page and, on WebGPU, deadlocks or lies; tf.multinomial always draws token 0 first on WebGPU. */
const tensorTraps = [
  {
    selector: 'MemberExpression[property.name=/^(dataSync|arraySync|readSync|bytesSync)$/]',
    message: 'Read tensors with await t.data(): a blocking read stalls the worker.',
  },
  {
    selector: "MemberExpression[property.name='multinomial']",
    message: 'tf.multinomial is wrong on WebGPU; sample with engine/sampler.ts.',
  },
];
const backendTrap = {
  selector: "MemberExpression[property.name='setBackend'], Identifier[name='setBackend']",
  message:
    'A backend is set once, where the engine is created (engine/portable/create.ts, engine/portable/gpu/acquire.ts), never in the middle of a run.',
};

/** It takes the last of two equal keys, any depth and any size without a word. */
const jsonTrap = {
  selector: "MemberExpression[object.name='JSON'][property.name='parse']",
  message: 'Read JSON with json.ts, and check its shape: JSON.parse says nothing of a key that is there twice.',
};

export default ts.config(
  {
    ignores: [
      'node_modules/',
      'dist/',
      'dist-cli/',
      '.permix/',
      'coverage/',
      'public/',
      'tests/fixtures/',
      'src/engine/gpu/shaders.d.ts',
      // AssemblyScript, which has a compiler of its own.
      'src/engine/wasm/kernels/',
    ],
  },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    rules: {
      // The compiler knows the names (and the types of the platform) better.
      'no-undef': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      'no-restricted-syntax': ['error', ...tensorTraps, backendTrap],
      'max-lines': ['warn', { max: 450, skipBlankLines: true }],
      // A Map behind a counter that is reactive redraws once a batch instead of once an entry.
      'svelte/prefer-svelte-reactivity': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    // Rules that need types. A promise that nobody waits for hides its failure; a switch over a list of words has a case for each.
    files: ['src/**/*.ts', 'src/**/*.svelte', 'tests/**/*.ts', 'scripts/**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname, extraFileExtensions: ['.svelte'] } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
    },
  },
  { files: ['**/*.svelte', '**/*.svelte.ts'], languageOptions: { parserOptions: { parser: ts.parser } } },
  // The places that boot a backend; tests compare backends and so switch between them.
  {
    files: ['src/engine/portable/create.ts', 'src/engine/portable/gpu/acquire.ts', 'tests/**'],
    rules: { 'no-restricted-syntax': ['error', ...tensorTraps] },
  },
  // What comes from outside is read by src/; tests read what they wrote, scripts this project's own files.
  {
    files: ['src/**'],
    ignores: ['src/json.ts', 'src/engine/portable/create.ts', 'src/engine/portable/gpu/acquire.ts'],
    rules: { 'no-restricted-syntax': ['error', ...tensorTraps, backendTrap, jsonTrap] },
  },
  { files: ['scripts/**/*.mjs', '*.cjs', '*.js'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);
