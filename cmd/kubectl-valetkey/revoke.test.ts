import { describe, expect, test } from '@jest/globals';

import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { runCli } from './fixtures/cli-harness.ts';

const REASON = ['--reason', 'odd reads'];

describe('revoke', () => {
  const targets: readonly (readonly [readonly string[], object])[] = [
    [['k3vqw2xb'], { run: 'k3vqw2xb' }],
    [['--pod', 'research/agent-7'], { pod: { namespace: 'research', name: 'agent-7' } }],
    [
      ['--task', 'research/reporter/summarize'],
      { task: { namespace: 'research', serviceAccount: 'reporter', task: 'summarize' } },
    ],
    [
      ['--service-account', 'research/reporter'],
      { serviceAccount: { namespace: 'research', name: 'reporter' } },
    ],
    [['--namespace', 'research', '--yes'], { namespace: 'research' }],
    [['--all', '--yes'], { all: true }],
  ];
  test.each(targets)('%j names whom it says, by who we are', async (words, target) => {
    const { code, revocations } = await runCli(['revoke', ...words, ...REASON]);
    const spec = { ...target, reason: 'odd reads', by: 'alice' };
    expect(revocations).toEqual([{ name: 'revoke-id1', spec }]);
    expect(code).toBe(0);
  });

  test('prints what it made, whom it names now, and how to lift it', async () => {
    const { out } = await runCli(['revoke', '--namespace', 'research', '--yes', ...REASON]);
    expect(out).toBe(`revocation revoke-id1 created: namespace research revoked by alice
it stands until it is deleted: kubectl delete revocation revoke-id1
it names 2 live pods now:
  research/agent-7
  research/agent-8
`);
  });

  test.each([
    ['--pod', 'sales/agent-1', ['sales/agent-1']],
    ['--service-account', 'research/reporter', ['research/agent-7']],
    ['--service-account', 'research/default', ['research/agent-8']],
    ['--task', 'research/reporter/summarize', ['research/agent-7']],
    ['--pod', 'sales/agnet-1', []],
  ])('%s %s names %j', async (option, value, pods) => {
    const { out } = await runCli(['revoke', option, value, ...REASON, '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({ name: 'revoke-id1', pods });
  });

  test('wonders about a name that no live pod has', async () => {
    const { out, code } = await runCli(['revoke', '--pod', 'sales/agnet-1', ...REASON]);
    expect(out).toContain('it names no pod that is alive now: is everything spelt right?');
    expect(code).toBe(0);
  });

  test('does its work where pods cannot be listed', async () => {
    const listInjected = () => {
      throw new KubernetesError('refused', 'list pods', { status: 403, reason: 'status 403' });
    };
    const { out, code, revocations } = await runCli(['revoke', '--pod', 'a/b', ...REASON], {
      cluster: { listInjected },
    });
    expect(out).not.toContain('names');
    expect([code, revocations.length]).toEqual([0, 1]);
  });

  test.each([
    ['2h', '2026-01-05T15:30:00.000Z'],
    ['2026-02-01T00:00:00Z', '2026-02-01T00:00:00Z'],
  ])('--until %s ends at %s', async (until, expected) => {
    const { revocations, out } = await runCli(['revoke', 'abc', ...REASON, '--until', until]);
    expect(revocations[0]?.spec.until).toBe(expected);
    expect(out).toContain(`new runs may start again at ${expected}`);
  });

  test.each([
    ['--all', 'everything'],
    ['--namespace=research', 'namespace research'],
  ])('%s asks at the terminal first', async (option, named) => {
    const yes = await runCli(['revoke', option, ...REASON], { answer: 'yes\n' });
    expect(yes.questions).toEqual([`Revoke every run of ${named}? Type yes: `]);
    expect(yes.revocations).toHaveLength(1);
    for (const answer of ['', 'y', 'no']) {
      const no = await runCli(['revoke', option, ...REASON], { answer });
      expect(no).toMatchObject({ code: 1, error: 'nothing was revoked\n', revocations: [] });
    }
  });

  test.each([
    ['--all', 'everything'],
    ['--namespace=research', 'namespace research'],
  ])('%s without a terminal wants --yes', async (option, named) => {
    const expected = `--yes: expected it, to revoke ${named} without a terminal, got nothing\n`;
    expect(await runCli(['revoke', option, ...REASON])).toMatchObject({
      ...{ code: 2, error: expected, revocations: [] },
    });
  });

  test.each<readonly [string, readonly string[], string]>([
    ['nobody', [...REASON], 'revoke: expected exactly one of RUN, --pod'],
    ['two', ['abc', '--pod', 'a/b', ...REASON], 'revoke: expected exactly one of RUN, --pod'],
    ['half a pod', ['--pod', 'agent', ...REASON], '--pod: expected namespace/name, got agent'],
    ['a name that is none', ['--pod', 'a/B', ...REASON], 'pod.name: expected a DNS name, got "B"'],
    ['no reason', ['abc'], "error: required option '--reason <text>' not specified"],
    ['an empty reason', ['abc', '--reason', ''], 'reason: expected 1 to 256 characters, got ""'],
    [
      'a time that is none',
      ['abc', ...REASON, '--until', 'soon'],
      'until: expected a time (RFC 3339), got "soon"',
    ],
    [
      '-n, which elsewhere says where Valetkey is',
      ['abc', ...REASON, '-n', 'x'],
      "error: unknown option '-n'",
    ],
  ])('of %s is wrong usage, and asks nobody', async (_, words, expected) => {
    const { code, error, revocations, opened } = await runCli(['revoke', ...words], {
      answer: 'yes',
    });
    expect(error).toContain(expected);
    expect([code, revocations, opened]).toEqual([2, [], []]);
  });

  test('takes another name where one is taken', async () => {
    const tried: string[] = [];
    const createRevocation = (name: string) => {
      tried.push(name);
      return Promise.resolve(tried.length < 2 ? ('exists' as const) : ('created' as const));
    };
    const { out } = await runCli(['revoke', 'abc', ...REASON], { cluster: { createRevocation } });
    expect(tried).toEqual(['revoke-id1', 'revoke-id2']);
    expect(out).toContain('revocation revoke-id2 created: run abc');
  });
});
