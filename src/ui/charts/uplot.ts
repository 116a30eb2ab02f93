/** uPlot and its style, as one chunk that is loaded when the first chart has something to draw. */
import 'uplot/dist/uPlot.min.css';
export { default } from 'uplot';
