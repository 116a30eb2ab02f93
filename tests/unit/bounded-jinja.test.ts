/** A stranger's template: what would take the process with it is a sentence, and what published templates do is rendered. */
import { Environment } from '@huggingface/jinja';
import { describe, expect, it } from 'vitest';
import { BoundedInterpreter, parseTemplate } from '../../src/policy/bounded-jinja.ts';

function render(template: string, names: Record<string, unknown> = {}): string {
  const environment = new Environment();
  environment.set('range', (to: number) => Array.from({ length: to }, (_, i) => i));
  environment.set('true', true);
  for (const [name, value] of Object.entries(names)) environment.set(name, value);
  return String(new BoundedInterpreter(environment).run(parseTemplate(template)).value);
}
const doubled = (start: string, step: string, times = 60) => `{% set s = ${start} %}${`{% set s = ${step} %}`.repeat(times)}`;

describe('a template', () => {
  it('is rendered', () => {
    const messages = Array.from({ length: 100 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: 'word '.repeat(100) }));
    const template =
      "{% macro turn(m) %}<|{{ m.role }}|>{{ m['content'] | trim }}{% endmacro %}{% set ns = namespace(n=0) %}" +
      '{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ turn(m) }}{% if loop.last %}{{ ns.n }}{{ m | tojson }}{% endif %}{% endfor %}';
    expect(render(template, { messages })).toMatch(/^<\|user\|>word word.*word100\{"role": "assistant"/);
  });

  it.each([
    ['a loop in a loop', '{% for i in range(3000) %}{% for j in range(3000) %}{% endfor %}{% endfor %}'],
    ['a text that doubles', `${doubled("'aa'", 's + s')}{{ s }}`],
    ['a text that doubles with ~', `${doubled("'aa'", 's ~ s')}{{ s }}`],
    ['a text that is replaced by itself', doubled("'aa'", "s.replace('a', s)")],
    ['the same by the filter', doubled("'aa'", "s | replace('a', s)")],
    ['a text that is joined with itself', doubled("'aa'", 's | join(s)')],
    ['a text that is indented', '{{ "a\\nb" | indent(300000) }}'],
    ['JSON that is indented', '{{ [1] | tojson(indent=300000) }}'],
    ['a list that doubles', doubled('[1]', 's + s')],
    ['a list in itself', `${doubled('["a"]', '[s, s]')}{{ s | tojson }}`],
    ['an object in itself', `${doubled('{"a": 1}', '{"a": s, "b": s}')}{{ s | tojson }}`],
    ['a namespace in itself', '{% set n = namespace() %}{% set n.n = n %}{{ n | string }}'],
    ['namespaces in a list', '{% set n = namespace() %}{% set s = [n, n] %}{% set n.s = s %}{{ s | tojson }}'],
    ['a macro that calls itself', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}'],
    ['a macro that calls itself twice', '{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}'],
    ['two macros that call each other', '{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}'],
    [
      'a caller that calls',
      '{% macro a() %}{{ caller() }}{% endmacro %}{% macro b() %}{% call a() %}{{ b() }}{% endcall %}{% endmacro %}{{ b() }}',
    ],
    ['a long sum', `{{ ${'1 + '.repeat(20_000)}1 }}`],
    ['many brackets', `{{ ${'('.repeat(40_000)}1 }}`],
    ['blanks', ' '.repeat(90_000)],
    ['a long text', 'a'.repeat(200_000)],
    ['texts that are looked at again and again', '{% for i in range(3000) %}{{ s | upper | lower | length }}{% endfor %}'],
  ])('%s is refused, and soon', (_, template) => {
    const began = performance.now();
    expect(() => render(template, { s: 'a'.repeat(150_000) })).toThrow();
    expect(performance.now() - began).toBeLessThan(8000);
  });
});
