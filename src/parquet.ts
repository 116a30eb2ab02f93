/** Parquet is not read where text is asked for: what it is known by, and what to do with such a file. */
import { LabError } from './errors.ts';

const magic = 'PAR1';

/** @param begins the file's text, or its first bytes  @throws LabError 'format' for a Parquet file */
export function refuseParquet(file: string, begins: string | Uint8Array): void {
  const first = typeof begins === 'string' ? begins.slice(0, magic.length) : String.fromCharCode(...begins.subarray(0, magic.length));
  if (first !== magic) return;
  throw new LabError(
    'format',
    `${file} is a Parquet file, which is not read here.`,
    `Save it as JSON lines; in Python: pandas.read_parquet(${JSON.stringify(file)}).to_json("rows.jsonl", orient="records", lines=True).`,
  );
}
