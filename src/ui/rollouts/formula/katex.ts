/** KaTeX, its styles and fonts: a chunk of its own, fetched with the first formula. */
import katex from 'katex';
import 'katex/dist/katex.min.css';

/** Draws TeX; beside what is seen stands MathML, which screen readers read. */
export function draw(tex: string, place: HTMLElement, display: boolean): void {
  katex.render(tex, place, { displayMode: display, output: 'htmlAndMathml', throwOnError: false, strict: false, trust: false });
}
