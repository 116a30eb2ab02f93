/** Files as one zip, not compressed: numbers hardly shrink, and what is stored can be read in place. Reading one is `policy/zip.ts`. */
import { BlobWriter, configure, ZipWriter } from '@zip.js/zip.js/lib/zip-core-native.js';
import type { WrittenFile } from '../policy/file.ts';

// As in policy/zip.ts: its workers come from addresses that the page's policy forbids.
configure({ useWebWorkers: false });

/** @param folder that they all lie in  @throws as their bytes do */
export async function zipOf(folder: string, files: readonly WrittenFile[]): Promise<Blob> {
  return filled(new ZipWriter(new BlobWriter('application/zip'), { level: 0 }), folder, files);
}

/** The same where it is not to be in memory: piece after piece into a sink, which is closed when all is in it. */
export async function writeZip(sink: WritableStream<Uint8Array>, folder: string, files: readonly WrittenFile[]): Promise<void> {
  await filled(new ZipWriter(sink, { level: 0 }), folder, files);
}

async function filled<T>(zip: ZipWriter<T>, folder: string, files: readonly WrittenFile[]): Promise<T> {
  for (const file of files) await zip.add(`${folder}/${file.name}`, { readable: streamOf(file), size: file.size });
  return zip.close();
}

/** The whole of a file; a browser may put what is in a Blob on its disk. */
export async function blobOf(file: WrittenFile): Promise<Blob> {
  return new Response(streamOf(file)).blob();
}

function streamOf(file: WrittenFile): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = file.bytes()[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await bytes.next();
      if (done) controller.close();
      // What is not copied may be a view of the policy's own memory, which a stream takes away.
      else controller.enqueue(value.slice());
    },
  });
}
