/** What a chart or a picture can be saved as: its numbers, and its drawing with or without edges to scale. */
import { save, type SaveItem } from './save.ts';

export interface Drawing {
  csv(): Promise<string>;
  svg(): Promise<string>;
}

/** @param title what the files are called after */
export function drawingItems(title: string, { csv, svg }: Drawing): readonly SaveItem[] {
  const name = fileName(title);
  return [
    { name: 'Numbers', hint: 'CSV, for a spreadsheet', save: async () => save(`${name}.csv`, 'text/csv', await csv()) },
    { name: 'Image', hint: 'PNG, for slides', save: async () => save(`${name}.png`, 'image/png', await pngOf(await svg())) },
    { name: 'Drawing', hint: 'SVG, for print', save: async () => save(`${name}.svg`, 'image/svg+xml', await svg()) },
  ];
}

export function fileName(title: string): string {
  return title.replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '') || 'permix';
}

/** Twice as fine as a screen of old. */
const scale = 2;

async function pngOf(svg: string): Promise<ArrayBuffer> {
  const url = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [scale * image.naturalWidth, scale * image.naturalHeight];
    canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
    if (!blob) throw new Error('the browser could not draw the image');
    return await blob.arrayBuffer();
  } finally {
    URL.revokeObjectURL(url);
  }
}
