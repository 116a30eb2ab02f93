/** `permix logits`: what the policy says of the token after the last one, for comparing it with other implementations. */
import { checkLogits } from '../engine/check.ts';
import type { Arguments } from './arguments.ts';
import { checkTokens, openPolicy } from './engine.ts';
import type { Output } from './output.ts';

export async function logits(args: Arguments, out: Output): Promise<void> {
  const tokens = args.tokens('tokens');
  if (!tokens) throw args.wrong('--tokens is missing.');
  const { policy, engine } = await openPolicy(args);
  checkTokens(tokens, policy.config, policy.config.maxPositions);
  const values = await engine.logits(tokens);
  engine.dispose();
  checkLogits(values);

  const argmax = values.reduce((best, value, id) => (value > values[best]! ? id : best), 0);
  const max = values[argmax]!;
  const logsumexp = max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0));
  out.object({ tokens: Array.from(tokens), logits: Array.from(values), argmax, logsumexp });

  const likely = Array.from(values, (value, id) => ({ id, value })).sort((a, b) => b.value - a.value);
  out.line('token  probability  logit');
  for (const { id, value } of likely.slice(0, 10)) {
    const piece = policy.tokenizer ? `  ${JSON.stringify(policy.tokenizer.pieces([id])[0])}` : '';
    out.line(`${String(id).padStart(5)}  ${(100 * Math.exp(value - logsumexp)).toFixed(2).padStart(9)} %  ${value.toFixed(4)}${piece}`);
  }
}
