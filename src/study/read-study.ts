/** The results of a study from JSON, checked as a whole before anything is drawn or counted. What they mean is `claims.ts`. */
import { LabError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { isWholeCurve, resultsFormat, resultsVersion, type RunResult, type StudyResults } from './results.ts';
import { misshapen } from '../schema.ts';
import { studyShape } from './shapes.ts';

/** @param file its name, for sentences  @throws LabError 'format' for anything but a whole study of this version */
export function readStudy(
  text: string,
  file = 'The study',
  next = 'Make it again with npm run reproduce, then build the page.',
): StudyResults {
  const wrong = (what: string) => new LabError('format', `${file} cannot be shown: ${what}.`, next);
  const study = parseJson(text, { file, next }) as Partial<StudyResults> | null;
  if (typeof study !== 'object' || study?.format !== resultsFormat) throw wrong('its file holds something else');
  if (study.version !== resultsVersion) throw wrong('it is of another version of this program');
  const place = misshapen(studyShape, study);
  if (place !== null) throw wrong(`${place} is not what it should be`);
  const { arms, personas, seeds } = study as StudyResults;
  const whole =
    arms.length > 0 &&
    personas.length > 0 &&
    seeds.length > 0 &&
    new Set(seeds.map(({ seed }) => seed)).size === seeds.length &&
    seeds.every(
      ({ runs }) =>
        runs.every((run) => isWholeRun(run, personas.length)) && arms.every(({ id }) => runs.filter((run) => run.arm === id).length === 1),
    );
  if (!whole) throw wrong('runs are missing in it');
  return study as StudyResults;
}

/** A number of every persona, and of every step of its curve. */
function isWholeRun({ accuracy, lottery, shift, curve }: RunResult, personas: number): boolean {
  const lists = [accuracy.personas, lottery, shift?.personas ?? accuracy.personas];
  return lists.every(({ length }) => length === personas) && (curve === null || isWholeCurve(curve, curve.step.length));
}
