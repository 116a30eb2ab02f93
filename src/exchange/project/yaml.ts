/** Settings as YAML, the little of it that a project's configuration needs: sections, lists of values, numbers, switches and texts. */
export type Yaml = string | number | boolean | null | readonly Yaml[] | { readonly [key: string]: Yaml };

export function yamlOf(settings: { readonly [key: string]: Yaml }, indent = ''): string {
  return Object.entries(settings)
    .map(([key, value]) => {
      const section = typeof value === 'object' && value !== null && !isList(value) && Object.keys(value).length > 0;
      return section ? `${indent}${key}:\n${yamlOf(value, `${indent}  `)}` : `${indent}${key}: ${flow(value)}\n`;
    })
    .join('');
}

const isList = (value: Yaml): value is readonly Yaml[] => Array.isArray(value);

/** JSON is YAML, but for numbers: YAML 1.1 takes `3e-4` for a text. */
function flow(value: Yaml): string {
  if (typeof value === 'number') return numberOf(value);
  if (isList(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, inner]) => `${JSON.stringify(key)}: ${flow(inner)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value);
}

function numberOf(value: number): string {
  const [digits, exponent] = String(value).split('e') as [string, string?];
  if (exponent === undefined) return digits;
  return `${digits.includes('.') ? digits : `${digits}.0`}e${/^[+-]/.test(exponent) ? exponent : `+${exponent}`}`;
}
