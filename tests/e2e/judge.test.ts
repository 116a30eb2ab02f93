/** `permix judge` as a process, with a real judge on loopback: a table, files, a judge that goes away, and the same command again. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchmarkTasks } from '../../src/evaluate/judge/tasks.ts';
import { judgeServer, status, type JudgeServer } from '../helpers/judge-server.ts';
import { jsonLines, permix, scratchFolder } from '../helpers/permix.ts';

const secret = 'sk-of-nobody-42';
let scratch = '';
let benchmark = '';
let server: JudgeServer;

beforeAll(async () => {
  process.env['PERMIX_JUDGE_KEY'] = secret;
  scratch = await scratchFolder();
  benchmark = join(scratch, 'bench.json');
  const questions = Object.fromEntries(benchmarkTasks.map(({ name }) => [name, ['What do you do first?', 'Why is that?']]));
  await writeFile(benchmark, JSON.stringify({ 'A pirate': questions, 'A poet': questions, 'A chef': questions }));
  server = await judgeServer(() => 'Score: 3');
});
afterAll(async () => {
  delete process.env['PERMIX_JUDGE_KEY'];
  await server.close();
  await rm(scratch, { recursive: true, force: true });
});

const judge = (...more: string[]) =>
  permix(['judge', '--benchmark', benchmark, '--judge', server.url, '--judge-model', 'm', '--backend', 'wasm', '--personas', '2', ...more]);

describe('permix judge', () => {
  it('goes on where a judge left it, to a report without the key', async () => {
    const out = join(scratch, 'run');
    const before = server.asked.length;
    server.behave(({ n }) => (n - before >= 7 ? status(401, { message: `key ${secret} expired` }) : 'Score: 4'));
    const broken = await judge('--out', out);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toMatch(/does not accept the key \(401\).*\d of 20 verdicts are kept; the same command continues/);

    server.behave(() => 'Score: 2');
    const { code, stdout, stderr } = await judge('--out', out, '--csv', join(scratch, 'r.csv'));
    expect(code, stderr).toBe(0);
    const kept = Number(/Resumed: (\d+) of 20 verdicts/.exec(stderr)?.[1]);
    expect(kept).toBeGreaterThanOrEqual(6);
    expect(stdout).toMatch(/bench\.json, 2 personas, judged by m; scores from 1 to 5/);
    expect(stdout).toMatch(/Persona Consistency +\d\.\d\d\n/);
    expect(stdout).toMatch(/answers with a score +20 of 20/);
    expect(stdout).not.toMatch(/NaN|undefined|null/);
    const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as {
      policies: { personaScore: { value: number } }[];
      answers: { policies: { verdict: { score: number } }[] }[];
    };
    const scores = report.answers.map(({ policies }) => policies[0]!.verdict.score);
    expect(scores.filter((score) => score === 4)).toHaveLength(kept);
    expect(await readFile(join(scratch, 'r.csv'), 'utf8')).toMatch(/^permix-tiny,,,PersonaScore,\d/m);

    const asked = server.asked.length;
    expect(server.asked.at(-1)!.headers.authorization).toBe(`Bearer ${secret}`);
    const again = await judge('--out', out, '--json');
    expect(server.asked.length).toBe(asked);
    expect(jsonLines(again.stdout)[0]).toMatchObject({ format: 'permix-judge', judge: { model: 'm' } });
    const other = await judge('--out', out, '--questions', '1');
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/began with something else: .*the setting questions was 2, now 1/);
    for (const file of ['report.json', 'report.csv', 'cells.jsonl', 'evaluation.json']) {
      expect(await readFile(join(out, file), 'utf8')).not.toContain(secret);
    }
    for (const text of [broken, { stdout, stderr }, again, other]) expect(text.stdout + text.stderr).not.toContain(secret);
  });

  it('scores how far answers are in their role, on role files, with a judge that streams', async () => {
    const roles = join(scratch, 'roles');
    await mkdir(roles);
    for (const name of ['pirate', 'chef']) {
      const role = { instruction: [{ pos: `Be a ${name}.` }], questions: ['Who are you?', 'Why?'], eval_prompt: '{question} {answer}' };
      await writeFile(join(roles, `${name}.json`), JSON.stringify(role));
    }
    const chunk = (delta: object, finish: string | null) => `data: ${JSON.stringify({ choices: [{ delta, finish_reason: finish }] })}\n\n`;
    server.behave(({ n, body }) => (response) => {
      expect(body.stream).toBe(true);
      expect(body.messages[1]!.content).toMatch(/What the model was told: Be a (pirate|chef)\./);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk({ content: 'Well. Score: ' }, null));
      // Every other answer is cut the first time.
      if (n % 2 === 0) return void setTimeout(() => response.destroy(), 20);
      setTimeout(() => response.end(`${chunk({ content: '3' }, null)}${chunk({}, 'stop')}data: [DONE]\n\n`), 50);
    });
    const wrong = await judge('--benchmark', roles);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('--rubric role') as string });
    const { code, stdout, stderr } = await judge('--benchmark', roles, '--rubric', 'role', '--stream', '--parallel', '1');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/roles, 2 personas, judged by m; scores from 0 to 3/);
    expect(stdout).toMatch(/Role score +3\.00/);
    expect(stdout).toMatch(/answers with a score +4 of 4/);
  });

  it('says what is wrong before it computes anything', async () => {
    const asked = server.asked.length;
    const list = join(scratch, 'list.json');
    await writeFile(list, '["A pirate"]');
    const cases: [string[], number, RegExp][] = [
      [['--judge', 'localhost:1', '--judge-model', 'm', '--benchmark', benchmark], 2, /does not begin with http/],
      [['--judge', server.url, '--benchmark', benchmark], 2, /--judge-model is missing/],
      [['--judge', server.url, '--judge-model', 'm', '--benchmark', list], 1, /list\.json: this is a list/],
      [['--judge', server.url, '--judge-model', 'm', '--benchmark', join(scratch, 'none.json')], 2, /There is no file/],
      [
        ['--judge', server.url, '--judge-model', 'm', '--benchmark', benchmark, '--max-new', '120'],
        1,
        /No question of bench\.json can be asked/,
      ],
    ];
    for (const [args, code, sentence] of cases) {
      const result = await permix(['judge', '--backend', 'wasm', ...args]);
      expect(result.stderr).toMatch(sentence);
      expect(result.code).toBe(code);
    }
    expect(server.asked.length).toBe(asked);
  });
});
