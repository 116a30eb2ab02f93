/**
 * The arrows of the house. Rooms have ranks; a file imports from rooms to the right of its own and from its own room, never
 * from a room of the same rank. Types are free (`import type` leaves no trace in what runs).
 */
const ranks = [
  ['main.ts', 'ui'],
  ['state'],
  ['worker', 'cli'],
  ['run', 'study', 'benchmark'],
  ['exchange'],
  ['storage'],
  ['evaluate', 'rl', 'pretrain'],
  ['engine', 'persona', 'tasks', 'verify'],
  ['policy', 'statistics'],
  ['json.ts', 'csv.ts', 'parquet.ts'],
  ['random', 'errors.ts', 'schema.ts', 'shaders'],
];

const room = (name) => (name === 'shaders' ? '^shaders/' : name.endsWith('.ts') ? `^src/${name.replace('.', '\\.')}$` : `^src/${name}/`);

/** One rule a room: it may not import rooms to its left, nor its neighbours. */
const arrows = ranks.flatMap((names, rank) =>
  names
    // main.ts is the page's door: it opens ui/.
    .filter((name) => name !== 'main.ts')
    .map((name) => ({
      name: `from-${name.replace('.ts', '')}`,
      comment:
        'Imports go to the right only: ui > state > worker, cli > run, study, benchmark > exchange > storage > evaluate, rl, pretrain > engine, persona, tasks, verify > policy, statistics > json, csv > random, errors, shaders.',
      severity: 'error',
      from: { path: room(name) },
      to: {
        path: ranks
          .slice(0, rank + 1)
          .flat()
          .filter((other) => other !== name)
          .map(room),
        dependencyTypesNot: ['type-only'],
      },
    })),
);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...arrows,
    {
      name: 'no-cycles',
      comment: 'Of types neither: two files that need each other are one idea, or the types belong to a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'zod-by-schema',
      comment: 'Take z from schema.ts, which keeps it from compiling code: the page forbids that.',
      severity: 'error',
      from: { pathNot: '^src/schema\\.ts$' },
      to: { path: '(^|/)node_modules/zod/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'The file or package is not there.',
      from: {},
      to: { couldNotResolve: true, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'interface-without-tensors',
      comment: 'The interface talks to the worker; it never computes.',
      severity: 'error',
      from: { path: '^src/(ui|state)/' },
      to: { path: '@tensorflow|(^|/)node_modules/webgpu/' },
    },
    {
      name: 'tfjs-in-the-portable-engine',
      comment:
        'Two megabytes of code that only the portable engine computes with. The binaries of its backend have addresses, which the worker says.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/engine/portable/' },
      to: { path: '@tensorflow/.*', pathNot: '\\.wasm$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'portable-engine-when-it-computes',
      comment: 'Whoever imports it at the start loads tfjs with it.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/engine/portable/' },
      to: { path: '^src/engine/portable/', dependencyTypesNot: ['type-only', 'dynamic-import'] },
    },
    {
      name: 'node-only-at-the-edge',
      comment: 'Everything but the command line and the scripts runs in a browser too.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-storage-stores',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/storage/' },
      to: { path: '(^|/)node_modules/idb/' },
    },
    {
      name: 'comlink-at-the-border',
      severity: 'error',
      comment: 'Between threads, whoever starts them.',
      from: { path: '^src/', pathNot: '^src/(worker|state|engine/parallel)/|^src/cli/(engine|start)-thread\\.ts$' },
      to: { path: '(^|/)node_modules/comlink/' },
    },
    {
      name: 'svelte-in-the-interface',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(ui|state)/|^src/main\\.ts$' },
      to: { path: '(^|/)node_modules/(svelte|@lucide|bits-ui|uplot|virtua)/', dependencyTypesNot: ['type-only'] },
    },
    { name: 'product-without-tests', severity: 'error', from: { path: '^(src|scripts)/' }, to: { path: '^tests/' } },
    {
      name: 'no-utils',
      severity: 'error',
      comment: 'A thing lives in the room that is named after it.',
      from: {},
      to: { path: '(^|/)(utils?|helpers?)\\.(ts|mjs)$', pathNot: 'node_modules' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|dist-cli|\\.permix)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['svelte', 'import', 'node', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.svelte', '.json'],
    },
    skipAnalysisNotInRules: true,
  },
};
