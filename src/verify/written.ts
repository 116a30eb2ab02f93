/** How an answer was read, as plain text with every bracket, for a trace that a person follows. Not to be parsed again. */
import type { Answer, Expression } from './expression.ts';

/** Longer ones are cut. */
const longest = 120;

export function written(answer: Answer): string {
  const text = inFull(answer);
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}

/** However long it is. */
export function inFull(answer: Answer): string {
  switch (answer.kind) {
    case 'list': {
      const inner = answer.items.map(inFull).join(', ');
      return answer.braces ? `{${inner}}` : inner;
    }
    case 'tuple':
      return `${answer.open}${answer.items.map(inFull).join(', ')}${answer.close}`;
    case 'sets':
      return answer.of.map(inFull).join(` ${answer.operator} `);
    case 'relation':
      return answer.sides.map((side, i) => (i === 0 ? inFull(side) : `${answer.relators[i - 1]} ${inFull(side)}`)).join(' ');
    case 'matrix':
      return `[${answer.rows.map((row) => row.map(inFull).join(', ')).join('; ')}]`;
    case 'ratio':
      return answer.of.map(inFull).join(':');
    case 'number':
    case 'symbol':
    case 'sum':
    case 'product':
    case 'negative':
    case 'quotient':
    case 'power':
    case 'root':
    case 'call':
    case 'percent':
    case 'degrees':
    case 'based':
    case 'either':
      return expression(answer);
  }
}

function expression(of: Expression): string {
  switch (of.kind) {
    case 'number': {
      const { numerator, denominator } = of.value;
      if (denominator === 1n) return String(numerator);
      if (of.places === 0) return `${numerator}/${denominator}`;
      const digits = String(numerator < 0n ? -numerator : numerator).padStart(of.places + 1, '0');
      return `${numerator < 0n ? '-' : ''}${digits.slice(0, -of.places)}.${digits.slice(-of.places)}`;
    }
    case 'symbol':
      return of.name;
    case 'sum':
      return of.terms
        .map((term, i) => {
          if (i === 0) return expression(term);
          if (term.kind === 'either') return expression(term);
          return term.kind === 'negative' ? ` - ${inner(term.of)}` : ` + ${expression(term)}`;
        })
        .join('');
    case 'product':
      return of.factors.map(inner).join('·');
    case 'negative':
      return `-${inner(of.of)}`;
    case 'quotient':
      return `${inner(of.top)}${of.bar ? '/' : ' ÷ '}${inner(of.bottom)}`;
    case 'power':
      return `${inner(of.base)}^${inner(of.exponent)}`;
    case 'root':
      return of.degree ? `root(${expression(of.of)}, ${expression(of.degree)})` : `√${inner(of.of)}`;
    case 'call':
      return `${of.name}(${of.of.map(expression).join(', ')})`;
    case 'percent':
      return `${inner(of.of)}%`;
    case 'degrees':
      return `${inner(of.of)}°`;
    case 'based':
      return `${of.digits} to the base ${of.base}`;
    case 'either':
      return ` ${of.sign === 1 ? '±' : '∓'} ${inner(of.of)}`;
  }
}

/** In brackets where it is more than one piece. */
function inner(of: Expression): string {
  const text = expression(of);
  return ['number', 'symbol', 'root', 'call'].includes(of.kind) && !text.includes('/') ? text : `(${text})`;
}
