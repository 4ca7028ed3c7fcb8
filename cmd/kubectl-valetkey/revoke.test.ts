import { describe, expect, it } from '@jest/globals';

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
  it.each(targets)(
    'creates a Revocation for %j with the name of the user',
    async (words, target) => {
      const { code, revocations } = await runCli(['revoke', ...words, ...REASON]);
      const spec = { ...target, reason: 'odd reads', by: 'alice' };
      expect(revocations).toEqual([{ name: 'revoke-id1', spec }]);
      expect(code).toBe(0);
    },
  );

  it('prints the Revocation, the matching pods and how to delete it', async () => {
    const { out } = await runCli(['revoke', '--namespace', 'research', '--yes', ...REASON]);
    expect(out).toBe(`revocation revoke-id1 created: namespace research revoked by alice
new runs are blocked until you delete it: kubectl delete revocation revoke-id1
2 running pods match:
  research/agent-7
  research/agent-8
`);
  });

  it.each([
    ['--pod', 'sales/agent-1', ['sales/agent-1']],
    ['--service-account', 'research/reporter', ['research/agent-7']],
    ['--service-account', 'research/default', ['research/agent-8']],
    ['--task', 'research/reporter/summarize', ['research/agent-7']],
    ['--pod', 'sales/agnet-1', []],
  ])('lists for %s %s the matching pods %j', async (option, value, pods) => {
    const { out } = await runCli(['revoke', option, value, ...REASON, '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({ name: 'revoke-id1', pods });
  });

  it('prints a hint if no running pod matches', async () => {
    const { out, code } = await runCli(['revoke', '--pod', 'sales/agnet-1', ...REASON]);
    expect(out).toContain('No running pods match. Check the names.');
    expect(code).toBe(0);
  });

  it('creates the Revocation if pods cannot be listed', async () => {
    const listInjected = () => {
      throw new KubernetesError('refused', 'list pods', { status: 403, reason: 'status 403' });
    };
    const { out, code, revocations } = await runCli(['revoke', '--pod', 'a/b', ...REASON], {
      cluster: { listInjected },
    });
    expect(out).not.toContain('match');
    expect([code, revocations.length]).toEqual([0, 1]);
  });

  it.each([
    ['2h', '2026-01-05T15:30:00.000Z'],
    ['2026-02-01T00:00:00Z', '2026-02-01T00:00:00Z'],
  ])('records --until %s as %s', async (until, expected) => {
    const { revocations, out } = await runCli(['revoke', 'abc', ...REASON, '--until', until]);
    expect(revocations[0]?.spec.until).toBe(expected);
    expect(out).toContain(`new runs may start again at ${expected}`);
  });

  it.each([
    ['--all', 'everything'],
    ['--namespace=research', 'namespace research'],
  ])('asks for confirmation at the terminal before %s', async (option, named) => {
    const yes = await runCli(['revoke', option, ...REASON], { answer: 'yes\n' });
    expect(yes.questions).toEqual([`Revoke every run of ${named}? Type yes: `]);
    expect(yes.revocations).toHaveLength(1);
    for (const answer of ['', 'y', 'no']) {
      const no = await runCli(['revoke', option, ...REASON], { answer });
      const error = `nothing was revoked: expected the reply yes, got "${answer}"\n`;
      expect(no).toMatchObject({ code: 1, error, revocations: [] });
    }
  });

  it.each([
    ['--all', 'everything'],
    ['--namespace=research', 'namespace research'],
  ])('requires --yes for %s without a terminal', async (option, named) => {
    const expected = `--yes: expected this option to revoke ${named} without a terminal, got nothing\n`;
    expect(await runCli(['revoke', option, ...REASON])).toMatchObject({
      ...{ code: 2, error: expected, revocations: [] },
    });
  });

  it.each<readonly [string, readonly string[], string]>([
    ['no target', [...REASON], 'revoke: expected exactly one of RUN, --pod'],
    [
      'two targets',
      ['abc', '--pod', 'a/b', ...REASON],
      'revoke: expected exactly one of RUN, --pod',
    ],
    [
      'a pod without a namespace',
      ['--pod', 'agent', ...REASON],
      '--pod: expected namespace/name, got agent',
    ],
    ['an invalid name', ['--pod', 'a/B', ...REASON], 'pod.name: expected a DNS name, got "B"'],
    ['no reason', ['abc'], "error: required option '--reason <text>' not specified"],
    ['an empty reason', ['abc', '--reason', ''], 'reason: expected 1 to 256 characters, got ""'],
    [
      'an invalid time',
      ['abc', ...REASON, '--until', 'soon'],
      'until: expected a time (RFC 3339), got "soon"',
    ],
    [
      '-n, which selects Valetkey’s namespace in other commands',
      ['abc', ...REASON, '-n', 'x'],
      "error: unknown option '-n'",
    ],
  ])('rejects %s before any request', async (_, words, expected) => {
    const { code, error, revocations, opened } = await runCli(['revoke', ...words], {
      answer: 'yes',
    });
    expect(error).toContain(expected);
    expect([code, revocations, opened]).toEqual([2, [], []]);
  });

  it('tries another name if the first one is in use', async () => {
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
