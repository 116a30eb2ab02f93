/** `permix generate`: continues a text or token ids. */
import { checkChoice } from '../engine/check.ts';
import type { Sampling } from '../engine/engine.ts';
import type { Policy } from '../policy/policy.ts';
import { LabError } from '../errors.ts';
import { renderPrompt } from '../persona/prompt.ts';
import type { Arguments } from './arguments.ts';
import { checkTokens, openPolicy } from './engine.ts';
import type { Output } from './output.ts';
import { Progress } from './progress.ts';
import { generatedRow } from './reply.ts';

export async function generateCommand(args: Arguments, out: Output): Promise<void> {
  if ((args.text('prompt') === undefined) === (args.text('tokens') === undefined)) throw args.wrong('Give either --prompt or --tokens.');
  if (args.flag('greedy') && args.text('temperature') !== undefined) throw args.wrong('--greedy leaves no --temperature to choose.');
  if (args.flag('chat') && args.text('prompt') === undefined) throw args.wrong('--chat needs --prompt.');
  if (args.text('system') !== undefined && !args.flag('chat')) throw args.wrong('--system needs --chat.');
  const settings = samplingOf(args);
  const ids = args.tokens('tokens');

  const { policy, engine } = await openPolicy(args);
  const prompt = ids ?? encodePrompt(policy, args);
  if (prompt.length === 0) throw args.wrong('The prompt is empty.');
  checkTokens(prompt, policy.config, policy.config.maxPositions - 1);

  const progress = new Progress('generating', settings.maxNewTokens);
  const sampling: Sampling = { ...settings, eosIds: policy.config.eosIds, step: 0, firstRow: 0 };
  const rollouts = await engine.generate({ prompts: [prompt], repeats: 1, sampling }, ({ position }) =>
    progress.at(position + 1, 'tokens'),
  );
  progress.done();
  if (settings.temperature <= 100) checkChoice(rollouts, policy.config.vocabSize);
  engine.dispose();

  const { tokens, logprobs, text, finish } = generatedRow(rollouts, 0, policy.tokenizer);
  out.object({ promptTokens: Array.from(prompt), tokens, logprobs, text, finish });
  out.line(text ?? tokens.join(','));
}

function samplingOf(args: Arguments): Omit<Sampling, 'eosIds' | 'step' | 'firstRow'> {
  return {
    temperature: args.flag('greedy') ? 0 : (args.number('temperature', 0, 100) ?? 1),
    topK: args.integer('top-k', 0, 1_000_000) ?? 0,
    topP: args.number('top-p', 0, 1) ?? 1,
    minP: args.number('min-p', 0, 1) ?? 0,
    maxNewTokens: args.integer('max-new', 1, 1_000_000) ?? 64,
    seed: args.integer('seed', 0, 0xffffffff) ?? 0,
  };
}

function encodePrompt({ tokenizer }: Policy, args: Arguments): Int32Array {
  if (!tokenizer) throw new LabError('config', 'The policy has no tokenizer.json.', 'Give --tokens instead of --prompt.');
  const prompt = args.required('prompt');
  if (!args.flag('chat')) return tokenizer.encode(prompt);
  return renderPrompt(tokenizer, args.text('system') ?? null, prompt, Infinity).tokens;
}
