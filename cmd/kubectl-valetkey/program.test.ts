import { describe, expect, test } from '@jest/globals';

import { INSTALLED } from '../../lib/contract/names.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { readFixture, runCli } from './fixtures/cli-harness.ts';
import { listCommands, createProgram } from './program.ts';

const failIfCalled = () => {
  throw new Error('nothing runs');
};
const program = createProgram({
  io: { out: failIfCalled, error: failIfCalled } as never,
  setExitCode: failIfCalled,
});
const leaves = listCommands(program).filter(({ commands }) => commands.length === 0);
const listWords = (command: (typeof leaves)[number]): readonly string[] =>
  command.parent === null ? [] : [...listWords(command.parent), command.name()];

describe('the program', () => {
  test.each(leaves.map((command) => [listWords(command)]))(
    '%j has help with examples and exit codes',
    async (words) => {
      const { code, out } = await runCli([...words, '--help']);
      expect(out).toContain(`Usage: kubectl valetkey ${words.join(' ')} `);
      expect(out).toContain('Examples:\n  # ');
      expect(out).toContain('3  the cluster could not be asked');
      expect(out).toMatch(/-o, --output <format>/);
      expect(code).toBe(0);
    },
  );

  test.each([
    [['bogus'], "error: unknown command 'bogus'"],
    [['status', '--bogus'], "error: unknown option '--bogus'"],
    [['status', 'more'], 'error: too many arguments'],
    [['status', '-o', 'yaml'], 'Allowed choices are text, json.'],
    [['audit'], 'Usage: kubectl valetkey audit'],
    [[], 'Usage: kubectl valetkey'],
  ])('of %j says what is wrong, and ends with 2', async (words, expected) => {
    const { code, out, error } = await runCli(words);
    expect(error).toContain(expected);
    expect([code, out]).toEqual([2, '']);
  });

  test('prints nothing of what was typed that could steer a terminal', async () => {
    const { error } = await runCli(['\u001b[31mbogus']);
    expect(error).toContain("unknown command '\\u{1b}[31mbogus'");
  });

  test.each([
    [new KubernetesError('unavailable', 'get configmap x', { reason: 'ECONNREFUSED' }), 3, ''],
    [
      new KubernetesError('refused', 'get configmap x', { status: 403, reason: 'status 403' }),
      3,
      '',
    ],
    [new TypeError('a bug'), 1, 'kubectl-valetkey failed: '],
  ])('tells %s in a line without a stack', async (thrown, expected, line) => {
    const readConfigMap = () => Promise.reject(thrown);
    const { code, out, error } = await runCli(['status'], { cluster: { readConfigMap } });
    expect(error).toBe(`${line}${thrown.message}\n`);
    expect([code, out]).toEqual([expected, '']);
  });

  test('says where it looked for an installation', async () => {
    const readConfigMap = () => Promise.resolve(undefined);
    const { code, error } = await runCli(['status'], { cluster: { readConfigMap } });
    expect(error).toContain('ConfigMap valetkey/valetkey-platform platform.yaml: expected');
    expect(code).toBe(1);
  });

  test.each([
    [['status', '-n', 'security'], 'security'],
    [['explain', 'x', '--installed-in', 'security', '-n', 'research'], 'security'],
    [['status'], 'valetkey'],
  ])('%j looks for Valetkey in %s', async (words, installedIn) => {
    expect((await runCli(words)).opened).toMatchObject([{ installedIn }]);
  });

  test('knows the names that the chart gives', () => {
    const manifests = readFixture('manifests/valetkey.yaml').split(/^---$/m);
    const named = (kind: string, name: string): boolean =>
      manifests.some(
        (text) =>
          new RegExp(`^kind: ${kind}$`, 'm').test(text) && text.includes(`\n  name: ${name}\n`),
      );
    expect(named('Deployment', INSTALLED.webhook)).toBe(true);
    expect(named('StatefulSet', INSTALLED.authority)).toBe(true);
    expect(named('Service', INSTALLED.authority)).toBe(true);
    expect(named('ServiceAccount', INSTALLED.authority)).toBe(true);
    expect(named('ConfigMap', INSTALLED.platformConfigMap)).toBe(true);
  });
});
