import {
  spawn,
  spawnSync,
  type ChildProcess,
  type ChildProcessWithoutNullStreams,
} from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ResultLine } from './result-line.ts';
import { DEMO_PROGRAMS } from './demo-programs.ts';

type DemoOutcome = {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
};

/** A short path, because it contains Unix sockets. The demo must leave no file in it. */
const folder = mkdtempSync('/tmp/vk-demo-');
const startDemo = (...args: readonly string[]): ChildProcessWithoutNullStreams =>
  spawn(DEMO_PROGRAMS.node, ['demo/main.ts', ...args], {
    cwd: DEMO_PROGRAMS.root,
    env: { ...process.env, TMPDIR: folder },
    // A process group of its own.
    detached: true,
  });
const waitForExit = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('close', resolve));

const runDemoToEnd = async (): Promise<DemoOutcome> => {
  const child = startDemo('--json');
  const end = waitForExit(child);
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await end, output, errors };
};

let outcome: DemoOutcome;
let lines: readonly ResultLine[];
beforeAll(async () => {
  outcome = await runDemoToEnd();
  if (outcome.output === '') throw new Error(outcome.errors);
  ({ lines } = JSON.parse(outcome.output) as { readonly lines: readonly ResultLine[] });
}, 300_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('make demo', () => {
  it.each([
    ['webhook and authority ready', '200'],
    ['admitted and patched', 'allowed'],
    ['sidecar ready', '200'],
    ['run started', '200 with a local key'],
    ['in-scope read', '200 by the cloud'],
    ['other prefix', '403 AccessDenied by the gateway'],
    ['write', '403 AccessDenied by the gateway'],
    ['the gateway bypassed', '403 InvalidAccessKeyId by the cloud'],
    ['a customer that policy forbids', '403 policy_denied'],
    ["the other consumer's task", '403 task_not_allowed to both'],
    ['a run that waits for a yes', '202, then 200 by the cloud'],
    ['a write that waits for a yes', '403 by the gateway, then 200 by the cloud'],
    ['the agent approves its own write', 'refused by the API server'],
    ['the same write changed', '403 AccessDenied by the gateway'],
    ['the approved write once more', '403 AccessDenied by the gateway'],
    ['a part of a run for another agent', '200 by the cloud'],
    ['a child ended with its parent', '403 by the gateway'],
    ['a model call of the OpenAI SDK', '200 by the API with its own key'],
    ['an MCP tool that policy forbids', '403 policy_denied'],
    ['the agent holds no key of a server', 'none'],
    ['upload cut by a revocation', '403 AccessDenied by the gateway'],
    ['vend as the exception', 'a key of the cloud'],
    ['past the deadline', '403 AccessDenied by the cloud'],
    ['a vend task without exception', 'refused at admission'],
    ["the pod's own token", '400 InvalidIdentityToken by the cloud'],
    ['records verified', 'No problems found.'],
    [
      'the timeline of one run',
      'intent → policy → approval → credentials → call → cloud call → end → summary',
    ],
    ['no file holds the secret', 'none'],
  ])('shows: %s: %s', (name, expected) => {
    expect(lines.find((line) => line.name === name)).toMatchObject({ expected, met: true });
  });

  it('shows nothing else, exits with status 0 and leaves no file', () => {
    expect(lines).toHaveLength(28);
    expect(outcome.code).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['it is interrupted', (pid: number) => process.kill(pid, 'SIGINT')],
    // As a terminal does: the programs get the signal too, and may fail before the demo sees it.
    ['its process group is interrupted', (pid: number) => process.kill(-pid, 'SIGINT')],
  ])(
    'leaves no file and no process when %s',
    async (_, interrupt) => {
      const child = startDemo();
      const end = waitForExit(child);
      const errors = text(child.stderr);
      const [ready] = await findLine(child, 'sidecar ready');
      const running = listProgramsUsing(folder);
      interrupt(child.pid ?? 0);
      expect({ code: await end, errors: await errors }).toEqual({ code: 130, errors: '' });
      expect(ready).toMatch(/^✓/);
      expect(running).not.toEqual([]);
      expect(listProgramsUsing(folder)).toEqual([]);
      expect(readdirSync(folder)).toEqual([]);
    },
    120_000,
  );

  it('rejects an unknown option', async () => {
    const child = startDemo('--jsn');
    const [errors, code] = await Promise.all([text(child.stderr), waitForExit(child)]);
    expect(errors).toMatch(/--jsn/);
    expect(code).toBe(1);
  }, 60_000);
});

const findLine = async (
  child: ChildProcessWithoutNullStreams,
  words: string,
): Promise<readonly string[]> => {
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.unshift(line);
    if (line.includes(words)) break;
  }
  return lines;
};

/** Lists processes of this machine whose command or environment contains a folder below `home`. */
const listProgramsUsing = (home: string): readonly string[] =>
  (existsSync('/proc') ? listProcessesByProc() : listProcessesByPs()).filter((line) =>
    line.includes(`${home}/valetkey-demo-`),
  );

const listProcessesByPs = (): readonly string[] =>
  spawnSync('ps', ['axeww', '-o', 'command'], { encoding: 'utf8' }).stdout.split('\n');

/** Minimal Linux images have no `ps`. */
const listProcessesByProc = (): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return readFileSync(`/proc/${name}/environ`, 'utf8');
      } catch {
        return '';
      }
    });
