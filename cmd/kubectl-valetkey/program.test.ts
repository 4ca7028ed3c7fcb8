import { describe, expect, it } from '@jest/globals';

import { INSTALLED } from '../../lib/contract/names.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { readFixture, runCli } from './fixtures/cli-harness.ts';
import { listCommands, createProgram } from './program.ts';

const failIfCalled = () => {
  throw new Error('no command may run');
};
const program = createProgram({
  io: { out: failIfCalled, error: failIfCalled } as never,
  setExitCode: failIfCalled,
});
const leaves = listCommands(program).filter(({ commands }) => commands.length === 0);
const listWords = (command: (typeof leaves)[number]): readonly string[] =>
  command.parent === null ? [] : [...listWords(command.parent), command.name()];

describe('runProgram', () => {
  it.each(leaves.map((command) => [listWords(command)]))(
    'prints help with examples and exit statuses for %j',
    async (words) => {
      const { code, out } = await runCli([...words, '--help']);
      expect(out).toContain(`Usage: kubectl valetkey ${words.join(' ')} `);
      expect(out).toContain('Examples:\n  # ');
      expect(out).toContain('3  the cluster is unreachable');
      expect(out).toMatch(/-o, --output <format>/);
      expect(code).toBe(0);
    },
  );

  it.each([
    [['bogus'], "error: unknown command 'bogus'"],
    [['status', '--bogus'], "error: unknown option '--bogus'"],
    [['status', 'more'], 'error: too many arguments'],
    [['status', '-o', 'sarif'], 'Allowed choices are text, json, yaml.'],
    [['audit'], 'Usage: kubectl valetkey audit'],
    [[], 'Usage: kubectl valetkey'],
  ])('reports the usage error in %j and exits with 2', async (words, expected) => {
    const { code, out, error } = await runCli(words);
    expect(error).toContain(expected);
    expect([code, out]).toEqual([2, '']);
  });

  it.each([
    [['aud'], 'audit\tFollow, query and verify audit records; show the timeline of a run\n:4\n'],
    [['audit', 'v'], /^verify\t.*\n:4\n$/],
    [['lint', '--of'], /^--offline\t.*\n:4\n$/],
    [['lint', '-o', 's'], 'sarif\t\n:4\n'],
    [['lint', '--platform', ''], ':0\n'],
    [['lint', '--platform', 'p.yaml', ''], ':0\n'],
    [['lint', 'agent.yaml', '--offl'], /^--offline\t/],
    [['bogus', '--kube'], ':4\n'],
  ])('completes %j without a request', async (words, expected) => {
    const { code, out, opened } = await runCli(['__complete', ...words]);
    if (typeof expected === 'string') expect(out).toBe(expected);
    else expect(out).toMatch(expected);
    expect([code, opened]).toEqual([0, []]);
  });

  it('completes every command and each of its options', async () => {
    const { out } = await runCli(['__complete', '']);
    for (const name of [
      'check',
      'status',
      'explain',
      'lint',
      'revoke',
      'console',
      'trust-policy',
      'issuer',
      'mcp',
      'audit',
    ])
      expect(out).toContain(`${name}\t`);
  });

  it('escapes control characters in the user’s input', async () => {
    const { error } = await runCli(['\u001b[31mbogus']);
    expect(error).toContain("unknown command '\\u{1b}[31mbogus'");
  });

  it.each([
    [new KubernetesError('unavailable', 'get configmap x', { reason: 'ECONNREFUSED' }), 3, ''],
    [
      new KubernetesError('refused', 'get configmap x', { status: 403, reason: 'status 403' }),
      3,
      '',
    ],
    [new TypeError('x is undefined'), 1, 'kubectl-valetkey: internal error: '],
  ])('reports %s in one line without a stack', async (thrown, expected, line) => {
    const readConfigMap = () => Promise.reject(thrown);
    const { code, out, error } = await runCli(['status'], { cluster: { readConfigMap } });
    expect(error).toBe(`${line}${thrown.message}\n`);
    expect([code, out]).toEqual([expected, '']);
  });

  it('names the ConfigMap that it expected in the installation', async () => {
    const readConfigMap = () => Promise.resolve(undefined);
    const { code, error } = await runCli(['status'], { cluster: { readConfigMap } });
    expect(error).toContain('ConfigMap valetkey/valetkey-platform platform.yaml: expected');
    expect(code).toBe(1);
  });

  it.each([
    [['status', '-n', 'security'], 'security'],
    [['explain', 'x', '--installed-in', 'security', '-n', 'research'], 'security'],
    [['status'], 'valetkey'],
  ])('%j reads the installation in namespace %s', async (words, installedIn) => {
    expect((await runCli(words)).opened).toMatchObject([{ installedIn }]);
  });

  it('uses the object names of the chart', () => {
    const manifests = readFixture('manifests/valetkey.yaml').split(/^---$/m);
    const hasObject = (kind: string, name: string): boolean =>
      manifests.some(
        (text) =>
          new RegExp(`^kind: ${kind}$`, 'm').test(text) && text.includes(`\n  name: ${name}\n`),
      );
    expect(hasObject('Deployment', INSTALLED.webhook)).toBe(true);
    expect(hasObject('StatefulSet', INSTALLED.authority)).toBe(true);
    expect(hasObject('Service', INSTALLED.authority)).toBe(true);
    expect(hasObject('ServiceAccount', INSTALLED.authority)).toBe(true);
    expect(hasObject('ConfigMap', INSTALLED.platformConfigMap)).toBe(true);
  });
});
