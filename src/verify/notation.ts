/** How functions, symbols, relations and operations on sets are written: names and signs only. */
import type { FunctionName, Relator } from './expression.ts';
import type { Token } from './tokens.ts';

const functions: Readonly<Record<string, FunctionName>> = {
  sin: 'sin',
  cos: 'cos',
  tan: 'tan',
  cot: 'cot',
  sec: 'sec',
  csc: 'csc',
  arcsin: 'arcsin',
  arccos: 'arccos',
  arctan: 'arctan',
  asin: 'arcsin',
  acos: 'arccos',
  atan: 'arctan',
  sinh: 'sinh',
  cosh: 'cosh',
  tanh: 'tanh',
  ln: 'ln',
  log: 'log',
  lg: 'log',
  exp: 'exp',
  abs: 'abs',
  floor: 'floor',
  ceil: 'ceil',
  min: 'min',
  max: 'max',
  gcd: 'gcd',
  lcm: 'lcm',
};

/** The function that a command or a word names; null for any other token. */
export function functionOf(token: Token | undefined): FunctionName | null {
  if (token?.kind !== 'command' && token?.kind !== 'word') return null;
  const name = token.kind === 'command' ? token.text.slice(1) : token.text;
  return Object.hasOwn(functions, name) ? functions[name]! : null;
}

/** As commands and as letters: one symbol. */
const greek: Readonly<Record<string, string>> = Object.fromEntries(
  (
    'alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ vartheta θ iota ι kappa κ lambda λ mu μ nu ν xi ξ rho ρ sigma σ ' +
    'tau τ phi φ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ Omega Ω ell ℓ'
  )
    .split(' ')
    .flatMap((name, i, all) => (i % 2 === 0 ? [[name, all[i + 1]!]] : [])),
);
const constants: Readonly<Record<string, string>> = { pi: 'π', infty: '∞', infinity: '∞', inf: '∞', oo: '∞' };

/** The symbol that a token is, whole; null for a word of several letters that is none. */
export function symbolOf(token: Token | undefined): string | null {
  if (token?.kind !== 'command' && token?.kind !== 'word') return null;
  const name = token.kind === 'command' ? token.text.slice(1) : token.text;
  if (Object.hasOwn(constants, name)) return constants[name]!;
  if (token.kind === 'word' && (name === 'π' || [...name].length === 1)) return name;
  return Object.hasOwn(greek, name) ? greek[name]! : null;
}

const relators: Readonly<Record<string, Relator>> = {
  '=': '=',
  '<': '<',
  '>': '>',
  '\\lt': '<',
  '\\gt': '>',
  '\\le': '≤',
  '\\leq': '≤',
  '\\leqslant': '≤',
  '\\ge': '≥',
  '\\geq': '≥',
  '\\geqslant': '≥',
  '\\ne': '≠',
  '\\neq': '≠',
  '\\in': '∈',
  '\\approx': '≈',
  '≤': '≤',
  '≥': '≥',
  '≠': '≠',
  '∈': '∈',
  '≈': '≈',
};

export function relatorOf(token: Token | undefined): Relator | null {
  if (token?.kind === 'word') return token.text === 'in' && !token.upright ? '∈' : null;
  if (token?.kind !== 'command' && token?.kind !== 'sign') return null;
  return Object.hasOwn(relators, token.text) ? relators[token.text]! : null;
}

const operators: Readonly<Record<string, '∪' | '∩' | '∖'>> = {
  '\\cup': '∪',
  '\\bigcup': '∪',
  '∪': '∪',
  '\\cap': '∩',
  '∩': '∩',
  '\\setminus': '∖',
  '\\backslash': '∖',
  '∖': '∖',
};

export function operatorOf(token: Token | undefined): '∪' | '∩' | '∖' | null {
  if (token?.kind === 'word') return token.text === 'U' && !token.upright ? '∪' : null;
  if (token?.kind !== 'command' && token?.kind !== 'sign') return null;
  return Object.hasOwn(operators, token.text) ? operators[token.text]! : null;
}
