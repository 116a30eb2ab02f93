/** A file as text, piece by piece, never whole in memory: UTF-8 is checked on the way, and a byte that is none is named by its line. */
import { LabError } from '../../errors.ts';
import { refuseParquet } from '../../parquet.ts';

/** A file to read from its beginning, as often as it takes. */
export interface SetFile {
  /** For the reader. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  bytes(): AsyncIterable<Uint8Array>;
}

export interface Reading {
  /** Checked between two pieces. */
  readonly signal?: AbortSignal;
  /** Bytes read so far, as they are. */
  readonly onBytes?: (bytes: Uint8Array) => void;
}

const newline = 0x0a;

/** Without a byte order mark. @throws LabError 'format' for Parquet, and for what is not UTF-8, naming the line; 'cancelled' */
export async function* textOf(file: SetFile, { signal, onBytes }: Reading = {}): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  let first = true;
  const decode = (bytes?: Uint8Array): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (cause) {
      throw notText(file.name, line, bytes ?? new Uint8Array(), cause);
    }
  };
  for await (const bytes of file.bytes()) {
    if (signal?.aborted) throw new LabError('cancelled', `Reading ${file.name} was stopped.`, 'Nothing of it was kept.');
    if (first) refuseParquet(file.name, bytes);
    first = false;
    onBytes?.(bytes);
    yield decode(bytes);
    for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) line++;
  }
  yield decode();
}

/** @param line of the first byte */
function notText(file: string, line: number, bytes: Uint8Array, cause: unknown): LabError {
  const wide = line === 1 && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff));
  let at = line;
  // The first line of these bytes began before them; it is the one where no other is.
  for (let start = bytes.indexOf(newline) + 1, n = line + 1; start > 0; n++) {
    const end = bytes.indexOf(newline, start);
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(start, end < 0 ? undefined : end), { stream: true });
    } catch {
      at = n;
      break;
    }
    start = end + 1;
  }
  return new LabError(
    'format',
    `${file}, line ${at}: this is not text in UTF-8${wide ? ', but UTF-16' : ''}.`,
    'Save it as UTF-8, or fetch it again.',
    { cause },
  );
}
