/** A recording from JSON, checked as a whole before anything is built of it: what is kept of a run is `recording.ts`. */
import { LabError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { misshapen } from '../schema.ts';
import { recordingShape } from './recording-shape.ts';
import { recordingFormat, recordingVersion, type RecordedRun, type Recording } from './recording.ts';

/** @throws LabError 'format' for anything but a whole recording of this version */
export function readRecording(text: string): Recording {
  const next = 'Make it again with npm run record, then build the page.';
  const wrong = (what: string) => new LabError('format', `The recorded run cannot be shown: ${what}.`, next);
  const recording = parseJson(text, { file: 'The recorded run', next }) as Partial<Recording> | null;
  if (typeof recording !== 'object' || recording?.format !== recordingFormat) throw wrong('it is something else');
  if (recording.version !== recordingVersion) throw wrong('it is of another version of this program');
  const { runs } = recording;
  if (!Array.isArray(runs) || runs.length === 0) throw wrong('there is no run in it');
  const place = misshapen(recordingShape, recording);
  if (place !== null) throw wrong(`${place} is not what it should be`);
  for (const run of runs as readonly RecordedRun[]) {
    const steps = run.personas.length;
    const [first, last] = [run.heldOut[0]?.step, run.heldOut.at(-1)?.step];
    const whole =
      steps > 0 &&
      steps === run.config.steps &&
      [first, last].join() === [0, steps].join() &&
      Object.values(run.columns).every((column) => column.length === steps);
    if (!whole) throw wrong(`steps are missing in “${run.name}”`);
  }
  return recording as Recording;
}
