/** What a person reads while a command works: on standard error, so that standard output stays data. */

/** Before so many seconds, and so much of the work, what is left is anybody's guess: the beginning is slower than what follows. */
const guess = { seconds: 10, share: 0.1 };
const known = (seconds: number, share: number): boolean => seconds >= guess.seconds && share >= guess.share;

/** A line of its own. */
export function notice(text: string): void {
  clearLine();
  process.stderr.write(`${text}\n`);
}

const barWidth = 24;
/** Without a terminal a line is written at most this often. */
const quietSeconds = 15;

let openLine = false;

function clearLine(): void {
  if (openLine) process.stderr.write('\r\x1b[2K');
  openLine = false;
}

/** A part of long work, in words: how much of it is done and how long it takes still. */
export class Part {
  #start = 0;

  constructor(
    private readonly label: string,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  /** `held-out questions 43 %, 12 s to go`, the time as soon as it can be known. @param share done, in [0, 1]; 0 begins anew */
  at(share: number): string {
    if (share <= 0) {
      this.#start = this.clock();
      return this.label;
    }
    const seconds = (this.clock() - this.#start) / 1000;
    const left = known(seconds, share) ? `, ${duration((seconds * (1 - share)) / share)} to go` : '';
    return `${this.label} ${Math.floor(100 * share)} %${left}`;
  }
}

/** One piece of long work: a bar on a terminal, now and then a line in a log file. */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #from: number;
  readonly #start = performance.now();
  #shown = performance.now();
  #done: number;

  /** @param total units of the whole work  @param from units that were done before, in an earlier session */
  constructor(label: string, total: number, from = 0) {
    this.#label = label;
    this.#total = total;
    this.#from = from;
    this.#done = from;
  }

  /** @param done units, fractions allowed */
  at(done: number, note = ''): void {
    this.#done = done;
    const terminal = process.stderr.isTTY;
    const now = performance.now();
    if (now - this.#shown < (terminal ? 100 : quietSeconds * 1000)) return;
    this.#shown = now;
    const share = Math.min(1, done / this.#total);
    const elapsed = (now - this.#start) / 1000;
    // What comes after the last unit is told by its note.
    // A unit that is done says what the next will take.
    const some = done >= this.#from + 1 || known(elapsed, (done - this.#from) / (this.#total - this.#from));
    const left = some && done < this.#total ? (elapsed / (done - this.#from)) * (this.#total - done) : null;
    const text = `${this.#label} ${Math.floor(done)}/${this.#total}${note ? ` · ${note}` : ''}${left === null ? '' : ` · ${duration(left)} left`}`;
    if (!terminal) return notice(text);
    const filled = Math.round(share * barWidth);
    const line = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)} ${text}`;
    clearLine();
    process.stderr.write(line.slice(0, Math.max(1, (process.stderr.columns ?? 80) - 1)));
    openLine = true;
  }

  /** The work is over, finished or not. */
  done(): void {
    clearLine();
    const seconds = (performance.now() - this.#start) / 1000;
    if (seconds >= 2) notice(`${this.#label} ${Math.floor(this.#done)}/${this.#total} · ${duration(seconds)}`);
  }
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
