/** Where the files of a policy come from: a folder on a web server here; other sources (a folder on disk, picked files) are of the same shape. */
import { limitedBody } from '../body.ts';
import { LabError } from '../errors.ts';
import { bytesFile, type PolicyFile } from './file.ts';
import { httpFile, isPage } from './http-file.ts';
import type { Tensor } from './tensor.ts';

export interface PolicySource {
  /** A name for the reader: "permix-tiny", a folder, a hub id. */
  readonly id: string;
  /** To ask for a file that is not there costs nothing: no request, and no error in a browser's console. */
  readonly local?: boolean;
  /** The whole file, null where there is none. @throws LabError `network` */
  read(path: string): Promise<Uint8Array | null>;
  /** The same, read by range, and of any size; without it weights are read whole. @throws LabError `network` */
  open?(path: string): Promise<PolicyFile | null>;
  /** The weights by their Hugging Face names, where they lie in no safetensors files. */
  tensors?(): Promise<ReadonlyMap<string, Tensor>>;
}

/** A file of weights, by range where the source can. */
export async function openFile(source: PolicySource, path: string): Promise<PolicyFile | null> {
  if (source.open) return source.open(path);
  const bytes = await source.read(path);
  return bytes && bytesFile(`${path} of ${source.id}`, bytes);
}

/** What is read whole must fit into one array; several browsers hold no more. */
export const maxFileBytes = 2 ** 31 - 1;

/** Of everything but weights: no tokenizer, configuration or template has a tenth of it. */
export const maxTextBytes = 200_000_000;

const isWeights = (file: string): boolean => /\.(safetensors|gguf)$/i.test(file);

/** @throws LabError `memory` for a file that cannot be read whole */
function checkFileSize(file: string, bytes: number): void {
  if (bytes <= maxFileBytes) return;
  throw new LabError(
    'memory',
    `${file} has ${(bytes / 2 ** 30).toFixed(2)} GiB, and its server sends no parts of it; whole files are read up to 2 GiB.`,
    'Save the policy again in shards below 2 GiB (in transformers save_pretrained(…, max_shard_size="1GB")), or use a smaller one.',
  );
}

/** @param baseUrl the folder, absolute or relative to the page or worker */
export function fetchSource(id: string, baseUrl: string): PolicySource {
  const base = baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`;
  return {
    id,
    async read(path) {
      let response: Response;
      try {
        response = await fetch(base + path);
        if (response.status === 404) return null;
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        if (isPage(response)) return null;
        return await bodyOf(response, `${path} of ${id}`, isWeights(path) ? maxFileBytes : maxTextBytes);
      } catch (error) {
        if (error instanceof LabError) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        throw new LabError('network', `${path} of ${id} could not be fetched (${reason}).`, 'Check the connection and try again.', {
          cause: error,
        });
      }
    },
    open(path) {
      const name = `${path} of ${id}`;
      return httpFile(name, base + path, (response) => bodyOf(response, name, isWeights(path) ? maxFileBytes : maxTextBytes));
    },
  };
}

/** @throws LabError 'memory' for weights above the limit, 'format' for anything else, as soon as that is known */
async function bodyOf(response: Response, file: string, limit: number): Promise<Uint8Array> {
  const said = Number(response.headers.get('content-length') ?? NaN);
  // What is not packed ends there, and is read at once: weights then lie in memory once.
  const known = said <= limit && !response.headers.has('content-encoding');
  const body = known ? new Uint8Array(await response.arrayBuffer()) : said > limit ? null : await limitedBody(response, limit);
  if (body) return body;
  await response.body?.cancel().catch(() => undefined);
  if (limit === maxFileBytes) checkFileSize(file, Math.max(said || 0, limit + 1));
  throw new LabError('format', `${file} has more than ${limit / 1e6} MB.`, 'Check that it is the right file.');
}
