/** Every command and its options. The code of a command is loaded when it runs, so that help and wrong usage answer at once. */
import type { Arguments, CommandSpec, OptionSpec } from './arguments.ts';
import { libraryNames } from '../persona/library-names.ts';
import { noSystemKinds, systemPlaces } from '../policy/template-settings.ts';
import { trainerForms } from '../exchange/trainer-forms.ts';
import { formatsOf, policyForms } from '../exchange/policy-forms.ts';
import { projections } from '../policy/adapters.ts';
import { splits } from '../tasks/question.ts';
import { rubricNames } from '../evaluate/judge/scale.ts';
import { answerForms } from '../verify/answer-forms.ts';
import { extractNames } from './extract-names.ts';
import type { Output } from './output.ts';
import { columnOptions } from './question-options.ts';

export interface Command extends CommandSpec {
  /** Resolves with the exit code where that is not 0. */
  run(args: Arguments, out: Output): Promise<number | void>;
}

const model: OptionSpec = {
  value: 'DIR|FILE.gguf',
  help: 'Hugging Face folder (config.json, model.safetensors) or GGUF file (default: the bundled policy)',
};
/** Of every command that continues: what differs is found by run/identity.ts, and its refusal names the parts. */
const accept: OptionSpec = {
  value: 'PARTS',
  help: 'continue although these parts are not what it began with: named by the refusal, noted, taken over',
};
const templateArgs: OptionSpec = {
  value: 'JSON',
  help: 'what the chat template is told beside the messages, e.g. \'{"enable_thinking": false}\'',
};
/** How a policy is asked, beside the words of a question. */
const asking: Readonly<Record<string, OptionSpec>> = {
  'template-args': templateArgs,
  'no-persona': {
    value: noSystemKinds.join('|'),
    help: 'what no persona is: what the chat template says by itself, an empty system message, or none at all (template)',
  },
  'no-system-role': {
    value: systemPlaces.join('|'),
    help: 'personas of a template that knows no system role: not taken, or put before the question (refuse)',
  },
};
const formsOfAnswer = `how a reply says its answer, in the order looked for: of ${answerForms.join(',')}`;
/** Of every command that takes personas. */
const personaSource = `${libraryNames.join('|')}|FILE`;
const skipRows: OptionSpec = { help: 'leaves out entries of a file of personas or questions that cannot be used, instead of refusing it' };
/** The same for a run, where a policy has settings of its own (rl/policy-defaults.ts). */
const trained: Readonly<Record<string, OptionSpec>> = {
  personas: {
    value: personaSource,
    help: 'whose personas are mixed in and asked under; permix personas --check reads a file (the policy’s, or world)',
  },
  'skip-rows': skipRows,
  instruction: { value: 'TEXT', help: "put under every question; '' for none (the policy’s, or none)" },
  answers: { value: 'FORMS', help: `${formsOfAnswer} (the policy’s, or boxed)` },
  'max-new': { value: 'N', help: 'tokens of a reply at most (the policy’s, or the recipe’s)' },
};
const seed: OptionSpec = { value: 'S', help: 'seed of the sampling (0)' };

export const commands: readonly Command[] = [
  {
    name: 'doctor',
    summary: 'says what this machine can compute with, which engine would be chosen, and why',
    options: {},
    run: async (args, out) => (await import('./doctor.ts')).doctor(args, out),
  },
  {
    name: 'train',
    summary: 'trains a policy by reinforcement learning; writes run.json, metrics.jsonl, checkpoints/ and policy/',
    options: {
      out: { value: 'DIR', help: 'where the run is written; must be new or empty, unless --resume' },
      recipe: { value: 'NAME', help: 'base, sft, distill, rlvr or permix (permix)' },
      config: {
        value: 'FILE',
        help: 'JSON with settings that differ from the recipe, as under "config" in run.json; permix settings lists them',
      },
      steps: { value: 'N', help: 'steps of the whole run (the recipe’s)' },
      seed: { value: 'S', help: 'seed of the run (the recipe’s)' },
      task: { value: 'ID', help: 'the task to train on (the recipe’s)' },
      questions: {
        value: 'FILE[:WEIGHT]',
        many: true,
        help: 'questions of your own to train on, alone or beside --task, drawn by weight (docs/questions.md); once for every file',
      },
      'question-split': { value: 'SHARE[:SEED]', help: 'of --questions: what is never trained on, and asked on the way (0.2:1)' },
      ...columnOptions,
      teacher: { value: 'DIR|FILE.gguf', help: 'with --recipe distill: the trained policy whose right replies are learnt' },
      'lora-rank': { value: 'R', help: 'train low-rank adapters of this rank instead of all parameters; 0 is off (the recipe’s)' },
      'lora-alpha': { value: 'A', help: 'with --lora-rank: scale of the adapters, over the rank (twice the rank)' },
      adapters: { value: 'DIR', help: 'go on with adapters that peft saved, of their rank, alpha and places; --model is their base' },
      'lora-targets': { value: 'NAMES', help: `with --lora-rank: which projections get adapters, of ${projections.join(',')} (all)` },
      'lora-layers': { value: 'LIST', help: 'with --lora-rank: which layers get adapters, as 0-3,7 (all)' },
      model,
      ...asking,
      ...trained,
      'held-out': { value: 'N', help: 'questions outside the training for each voice and none, asked on the way; 0: none (the recipe’s)' },
      'held-out-every': { value: 'N', help: 'steps between two askings (the recipe’s)' },
      show: { value: 'N', help: 'prints a group of replies every N steps' },
      minutes: { value: 'M', help: 'stops after M minutes; --resume continues' },
      rollouts: { help: 'keeps the rollouts too, as the page does, for permix export' },
      resume: { help: 'continue the run in --out from its newest checkpoint; exact on the same engine and machine' },
      from: {
        value: 'RUN[@STEP]',
        help: 'begin at a checkpoint of another run (its newest), or at a .permix-run file, with what --config and options change',
      },
      accept,
    },
    run: async (args, out) => (await import('./train.ts')).trainCommand(args, out),
  },
  {
    name: 'settings',
    summary: 'lists the settings of a run, which a --config file may hold: what they mean, may be, and are by themselves',
    options: {
      recipe: { value: 'NAME', help: 'what they are in this recipe: base, sft, distill, rlvr or permix (permix)' },
      model: { ...model, help: 'what they are for this policy: Hugging Face folder or GGUF file (default: the bundled policy)' },
    },
    run: async (args, out) => (await import('./settings.ts')).settingsCommand(args, out),
  },
  {
    name: 'race',
    summary: 'RLVR and PerMix side by side from one seed, the same held-out questions asked of both',
    options: {
      out: { value: 'DIR', help: 'where the two runs are written, DIR/rlvr and DIR/permix; must be new or empty, unless --resume' },
      config: { value: 'FILE', help: 'JSON with settings that differ from the recipes, for both; permix settings lists them' },
      steps: { value: 'N', help: 'steps of each run (100)' },
      seed: { value: 'S', help: 'seed of both (1)' },
      task: { value: 'ID', help: 'the task to train on (addition)' },
      model,
      ...asking,
      ...trained,
      'held-out': { value: 'N', help: 'questions outside the training for each voice and none (12)' },
      'held-out-every': { value: 'N', help: 'steps between two askings (10)' },
      show: { value: 'N', help: 'prints a group of replies every N steps' },
      minutes: { value: 'M', help: 'stops after M minutes; --resume continues' },
      rollouts: { help: 'keeps the rollouts too, as the page does, for permix export' },
      resume: { help: 'continue both from their newest checkpoints; exact on the same engine and machine' },
      accept,
    },
    run: async (args, out) => (await import('./race.ts')).raceCommand(args, out),
  },
  {
    name: 'export',
    operand: 'RUN',
    summary: 'a run, by its folder or file, as a file for the page, in a form that other programs read, or its policy (docs/exchange.md)',
    options: {
      to: {
        value: [...policyForms, ...trainerForms].join('|'),
        help: 'the policy: a Hugging Face folder, adapters for PEFT, or a GGUF file; also of a policy (DIR|FILE.gguf); or the run as a project for TRL or verl, a zip',
      },
      dtype: {
        value: 'NAME',
        help: `with --to hf ${formatsOf.hf.join(', ')} (the base’s own), with --to gguf ${formatsOf.gguf.join(', ')} (f16)`,
      },
      base: {
        value: 'NAME',
        help: 'with --to peft: the policy the adapters are of, as on the hub (owner/name), or its folder or GGUF file; with --to trl and verl: its name, instead of a copy of it',
      },
      model: { ...model, help: 'with --to: the policy that the run began with, where it lies elsewhere now' },
      questions: {
        value: 'FILE',
        many: true,
        help: 'with --to trl and verl: the files of questions that the run was begun with, where they lie elsewhere now',
      },
      format: {
        value: 'NAME',
        help: 'run, a .permix-run file (default); csv of metrics; rollouts as unipo, trackio or trl; html, a page of one step',
      },
      step: { value: 'N', help: 'the rollouts of this step only (html: the newest); with --to the checkpoint of this step (the newest)' },
      out: { value: 'FILE|DIR', help: 'where it is written; must be new or empty (csv, unipo, trackio, trl, html: standard output)' },
    },
    run: async (args, out) => (await import('./export.ts')).exportCommand(args, out),
  },
  {
    name: 'class',
    operand: 'RUN…',
    summary: 'the runs of a class as one picture over their seeds, with intervals (docs/exchange.md)',
    options: {
      csv: { value: 'FILE', help: 'the picture as a table' },
      svg: { value: 'FILE', help: 'the picture, drawn' },
    },
    run: async (args, out) => (await import('./class.ts')).classCommand(args, out),
  },
  {
    name: 'compare',
    operand: 'RUN',
    summary: 'the metrics of a run beside the log of a TRL run, where both have a step (docs/exchange.md)',
    options: {
      log: { value: 'FILE', help: 'its trainer_state.json, or JSON lines with "step" and metrics' },
      csv: { value: 'FILE', help: 'both, a row for each metric and step' },
    },
    run: async (args, out) => (await import('./compare.ts')).compareCommand(args, out),
  },
  {
    name: 'eval',
    summary: 'examines a policy under every persona: accuracy, stability, the persona lottery, fidelity',
    options: {
      model,
      ...asking,
      base: { value: 'DIR|FILE.gguf', help: 'the policy it was trained from, to compare with (none: the policy is its own base)' },
      data: { value: 'FILE', help: 'questions of your own: JSON lines, JSON or CSV (docs/questions.md; default: held-out ones of --task)' },
      split: { value: splits.join('|'), help: 'of --data: those that a run with --questions trains on, or those that it does not (all)' },
      'question-split': { value: 'SHARE[:SEED]', help: 'of --split: as the run had it (what the run of --model had, or 0.2:1)' },
      ...columnOptions,
      task: { value: 'ID', help: 'without --data: the task to ask (the policy’s, or addition)' },
      personas: {
        value: personaSource,
        help: 'personas to ask under (those of the run, where --model is its folder policy/; else the policy’s, or world)',
      },
      'skip-rows': skipRows,
      'persona-count': { value: 'N', help: 'as many of them, drawn by the seed (all)' },
      problems: { value: 'N', help: 'problems per persona, the same for all (300)' },
      samples: { value: 'N', help: 'replies to each problem (1)' },
      greedy: { help: 'the most likely token every time, instead of sampling' },
      temperature: { value: 'T', help: 'of the sampling (1)' },
      fidelity: { value: 'N', help: 'replies per persona that persona fidelity is measured on; 0 is off (8; with --data 0)' },
      instruction: {
        value: 'TEXT',
        help: "put under every question; '' for none (the policy’s, or none; with --data asks for the answer in \\boxed{})",
      },
      answers: { value: 'FORMS', help: `${formsOfAnswer} (the policy’s, or boxed; with --data boxed,hashes)` },
      'max-new': { value: 'N', help: 'tokens of a reply at most (the policy’s, or 48; with --data 512)' },
      batch: { value: 'N', help: 'replies that are made together; changes the memory, not the result (128)' },
      seed: { value: 'S', help: 'seed of questions and sampling (1)' },
      out: { value: 'DIR', help: 'keeps finished cells and the report; the same command with the same folder continues' },
      accept,
      json: { value: '[FILE]', help: 'the report as JSON, in FILE or, without one, as the only thing on standard output' },
      csv: { value: 'FILE', help: 'every number of the report as a table' },
    },
    run: async (args, out) => {
      const [{ evalCommand }, { holdingOut }] = await Promise.all([import('./eval.ts'), import('./folder-lock.ts')]);
      return holdingOut(args.text('out'), () => evalCommand(args, out));
    },
  },
  {
    name: 'verify',
    summary: 'says whether answers are equal to their gold answers, with the steps of each verdict (docs/verifier.md)',
    options: {
      cases: { value: 'FILE.jsonl', help: 'lines with "gold", and "completion", whose answer is looked for, or "pred", the answer itself' },
      gold: { value: 'G', help: 'instead of a file: the gold answer' },
      pred: { value: 'P', help: 'instead of a file: the answer' },
      extract: {
        value: 'FORMS',
        help: `how a completion says its answer, in the order looked for: of ${Object.keys(extractNames).join(',')} (boxed,tag,final,hash,last)`,
      },
    },
    run: async (args, out) => (await import('./verify.ts')).verifyCommand(args, out),
  },
  {
    name: 'personas',
    summary: 'says what a persona file of this or another tool holds, or writes one (docs/evaluation.md)',
    options: {
      check: {
        value: 'FILE|DIR',
        help: 'a file as JSON, JSON lines or CSV, or a folder of them: its kind, its personas, what cannot be used and why',
      },
      export: { value: 'json|csv', help: 'writes the personas of --personas as this project’s own JSON, or as a table' },
      personas: { value: `${personaSource}|DIR`, help: 'with --export: whose personas (world)' },
      'skip-rows': skipRows,
      count: { value: 'N', help: 'with --export: as many of them, drawn by the seed (all)' },
      seed: { value: 'S', help: 'with --count (1)' },
      out: { value: 'FILE', help: 'with --export: where it is written (standard output)' },
    },
    run: async (args, out) => (await import('./personas.ts')).personasCommand(args, out),
  },
  {
    name: 'data',
    summary: 'says what a file of questions is: recognised as, columns, counts, rows that cannot be used, split (docs/questions.md)',
    options: {
      check: { value: 'FILE', help: 'JSON lines, JSON or CSV' },
      ...columnOptions,
      'question-split': { value: 'SHARE[:SEED]', help: 'which share a run does not train on (0.2:1)' },
      model: { ...model, help: 'says how long the questions are for this policy: Hugging Face folder or GGUF file' },
      'template-args': templateArgs,
      rates: { value: 'REPORT.json', help: 'a report of permix eval --data on this file: keeps questions by how often they were solved' },
      between: { value: 'LOW,HIGH', help: 'with --rates: the solve rates that are kept, both included (0.1,0.9)' },
      out: { value: 'FILE.jsonl', help: 'with --rates: where the questions that are kept are written; must be new' },
    },
    run: async (args, out) => (await import('./data.ts')).dataCommand(args, out),
  },
  {
    name: 'judge',
    summary: 'lets a judge you name score how well a policy stays in character, on your copy of PersonaGym (docs/judge.md)',
    options: {
      model,
      'template-args': templateArgs,
      benchmark: {
        value: 'FILE.json|DIR',
        help: 'your copy of the benchmark: persona description → task → questions; with --rubric role also role files of Assistant Axis',
      },
      rubric: {
        value: rubricNames.join('|'),
        help: 'what is scored: PersonaGym’s tasks from 1 to 5, or from 0 to 3 how far an answer is in its role (personagym)',
      },
      judge: { value: 'URL', help: 'an OpenAI-compatible address, e.g. http://localhost:11434/v1; its key: environment, PERMIX_JUDGE_KEY' },
      'judge-model': { value: 'NAME', help: 'the model that judges, as its server calls it' },
      personas: { value: 'N', help: 'personas, drawn by the seed (10)' },
      questions: { value: 'N', help: 'questions of each task and persona, at most (2)' },
      temperature: { value: 'T', help: 'of the policy’s answers; 0 is greedy (0.9)' },
      'max-new': { value: 'N', help: 'tokens of an answer at most (a fifth of what the policy reads, up to 256)' },
      seed: { value: 'S', help: 'seed of personas and sampling (1)' },
      parallel: { value: 'N', help: 'questions that the judge is asked at a time (2)' },
      timeout: { value: 'SECONDS', help: 'for one of its answers (180)' },
      'judge-tokens': { value: 'N', help: 'of one of its answers at most (2048)' },
      stream: { help: 'asks for its answers piece by piece, for servers and proxies that end silent connections' },
      out: { value: 'DIR', help: 'keeps answers, verdicts and the report; the same command with the same folder continues' },
      accept,
      json: { value: '[FILE]', help: 'the report as JSON, in FILE or, without one, as the only thing on standard output' },
      csv: { value: 'FILE', help: 'every number of the report as a table' },
    },
    run: async (args, out) => {
      const [{ judgeCommand }, { holdingOut }] = await Promise.all([import('./judge.ts'), import('./folder-lock.ts')]);
      return holdingOut(args.text('out'), () => judgeCommand(args, out));
    },
  },
  {
    name: 'generate',
    summary: 'continues a text or token ids',
    options: {
      model,
      ...asking,
      prompt: { value: 'TEXT', help: 'text to continue, as it is' },
      tokens: { value: '1,2,3', help: 'token ids to continue; works without tokenizer.json' },
      chat: { help: 'put --prompt through the chat template as a user message' },
      system: { value: 'TEXT', help: 'with --chat: the system prompt' },
      'max-new': { value: 'N', help: 'tokens to generate at most (64)' },
      greedy: { help: 'the most likely token every time' },
      temperature: { value: 'T', help: 'of the sampling (1)' },
      'top-k': { value: 'K', help: 'sample among the K most likely; 0 is off (0)' },
      'top-p': { value: 'P', help: 'sample among the most likely that hold P together; 1 is off (1)' },
      'min-p': { value: 'P', help: 'sample among those at least P times as likely as the most likely; 0 is off (0)' },
      seed,
    },
    run: async (args, out) => (await import('./generate.ts')).generateCommand(args, out),
  },
  {
    name: 'tokenize',
    summary: 'gives the ids and pieces of texts, as they are or through the chat template',
    options: {
      model,
      'template-args': templateArgs,
      text: { value: 'TEXT', many: true, help: 'a text; once for every one' },
      in: { value: 'FILE', help: 'instead: a text a line, or JSON lines (a string, or an object with "text")' },
      chat: { help: 'put each through the chat template as a user message' },
      system: { value: 'TEXT', help: 'with --chat: the persona' },
    },
    run: async (args, out) => (await import('./tokenize.ts')).tokenizeCommand(args, out),
  },
  {
    name: 'logits',
    summary: 'gives the logits of the token after the last one',
    options: { model, tokens: { value: '1,2,3', help: 'token ids; works without tokenizer.json' } },
    run: async (args, out) => (await import('./logits.ts')).logits(args, out),
  },
  {
    name: 'probe',
    summary: 'asks one question under several personas, or keeps a conversation with each',
    options: {
      model,
      ...asking,
      question: { value: 'TEXT', help: 'what is asked' },
      turn: { value: 'TEXT', many: true, help: 'what is said next, after the reply; once for every further turn of the conversation' },
      library: {
        value: personaSource,
        help: 'whose personas (those of the run, where --model is its folder policy/; else the policy’s, or world)',
      },
      'skip-rows': skipRows,
      personas: { value: 'a,b,none', help: 'ids of that library, none for no persona, all for every one (none and four of them)' },
      'max-new': { value: 'N', help: 'tokens of a reply at most (48)' },
      temperature: { value: 'T', help: '0 is greedy (0)' },
      seed,
    },
    run: async (args, out) => (await import('./probe.ts')).probe(args, out),
  },
  {
    name: 'pretrain',
    summary: 'makes the bundled policy from nothing: corpus, tokenizer, weights, model card',
    options: {
      seed: { value: 'S', help: 'seed of corpus, tokenizer and weights (1)' },
      steps: { value: 'N', help: 'optimiser steps (the recipe’s)' },
      style: {
        value: 'NAME',
        help: 'latent: personas mostly speak in their own voice; hard: always, for reproduce --ablation world (latent)',
      },
      out: { value: 'DIR', help: 'where the policy is written (the bundled policy’s folder; has to be given for another style)' },
      fresh: { help: 'start over instead of resuming' },
      accept,
    },
    run: async (args) => {
      const style = args.choice('style', ['latent', 'hard'] as const) ?? 'latent';
      if (style !== 'latent' && args.text('out') === undefined) {
        throw args.wrong(`--style ${style} needs --out DIR: the bundled policy is of the latent style.`);
      }
      const [{ pretrainCommand }, { pretrainDefaults }, { bundledPolicy }] = await Promise.all([
        import('./pretrain.ts'),
        import('../pretrain/recipe.ts'),
        import('./folder.ts'),
      ]);
      await pretrainCommand({
        seed: args.integer('seed', 0, 0xffffffff) ?? pretrainDefaults.seed,
        style,
        steps: args.integer('steps', 1, 1_000_000) ?? pretrainDefaults.steps,
        out: args.text('out') ?? bundledPolicy,
        fresh: args.flag('fresh'),
        accept: args.list('accept') ?? [],
        engine: args.engineRequest.engine,
        backend: args.engineRequest.backend,
      });
    },
  },
  {
    name: 'record',
    summary: 'makes the recorded run that the page replays: RLVR and PerMix from the bundled policy',
    options: {
      seed: { value: 'S', help: 'seed of both runs (1)' },
      steps: { value: 'N', help: 'steps of each (100)' },
      out: { value: 'FILE', help: 'where it is written (public/runs/rlvr-permix/recording.json)' },
    },
    run: async (args, out) => (await import('./record.ts')).recordCommand(args, out),
  },
  {
    name: 'reproduce',
    summary: 'the comparison of the paper, an ablation or a sweep: many runs, one result with intervals over seeds',
    options: {
      seeds: { value: '1,2,3', help: 'seeds of data, sampling and evaluation (1,2,3,4,5)' },
      steps: { value: 'N', help: 'training steps of every run (300)' },
      beta: { value: '0.02,0', help: 'KL weights that RLVR and PerMix are run with (0.02,0)' },
      methods: { value: 'a,b', help: 'among base, sft, distill, rlvr, permix (all; the base always takes part)' },
      ablation: { value: 'NAME', help: 'instead: vary one thing: none-share, personas, draw, beta, std or world' },
      sweep: { value: 'FILE.json', help: 'instead: arms of your own, label → settings as in a --config file of train' },
      base: {
        value: 'DIR',
        help: 'the policy all runs begin from (the bundled one); with --ablation world the other one, of pretrain --style hard --out DIR',
      },
      problems: { value: 'N', help: 'problems per persona and policy (300)' },
      fidelity: { value: 'N', help: 'replies per persona and kind that fidelity is measured on; 0 is off (12)' },
      quick: { help: 'a rehearsal in minutes: 2 seeds, 40 steps, 60 problems; its numbers prove nothing' },
      out: { value: 'DIR', help: 'where results.json, README.md and figures are written (docs/reproduction)' },
      work: { value: 'DIR', help: 'where finished and half-finished runs are kept (in ~/.cache/permix-lab)' },
      jobs: { value: 'N', help: 'runs side by side (one per processor core)' },
      redraw: { help: 'only write README.md and figures again, from results.json in --out' },
      run: { value: 'DIR', help: 'only do one planned run; what the command starts in its own processes' },
    },
    run: async (args, out) => (await import('./reproduce.ts')).reproduceCommand(args, out),
  },
];
