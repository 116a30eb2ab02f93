/** Standard output: text for a person, or JSON and nothing else. Messages and progress go to standard error (`progress.ts`). */

export class Output {
  constructor(readonly json: boolean) {}

  /** One JSON object on a line of its own; only with --json. */
  object(value: object): void {
    if (this.json) process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** A line for a person; only without --json. */
  line(text = ''): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }
}
