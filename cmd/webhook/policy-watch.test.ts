import { describe, expect, it } from '@jest/globals';

import { createWatchSync } from '../../lib/server/watch-sync.ts';
import { watchPolicies, type PolicyWatchDeps } from './policy-watch.ts';

const PERMIT = 'permit (principal, action == Action::"run", resource);';

type Handlers = Parameters<PolicyWatchDeps['watch']>[0];

const startTestWatch = () => {
  let handlers: Handlers | undefined;
  let at = 1_000;
  const lines: string[] = [];
  const write = (message: string): void => void lines.push(message);
  const sync = createWatchSync({ monotonic: () => at });
  const policies = watchPolicies({
    watch: (given) => {
      handlers = given;
      return () => undefined;
    },
    staleAfterSeconds: 60,
    sync,
    random: () => 0.5,
    log: { debug: write, info: write, warn: write, error: write },
  });
  const stored = (name: string, cedar: string, generation = 1) => ({
    metadata: { name, uid: name, resourceVersion: '1', generation },
    spec: { cedar },
  });
  return {
    policies,
    sync,
    lines,
    stored,
    pass: (seconds: number) => (at += seconds * 1000),
    reportSync: () => handlers?.onSync(),
    sendState: (...all: ReturnType<typeof stored>[]) => {
      handlers?.onState(all);
      handlers?.onSync();
    },
  };
};

describe('watchPolicies', () => {
  it('returns unknown until the policies are listed', () => {
    const { policies, sendState } = startTestWatch();
    expect(policies.current()).toEqual({ unknown: 'the policies are not listed yet' });
    expect(policies.isLoaded()).toBe(false);
    sendState();
    expect(policies.current()).toMatchObject({ findings: [] });
    expect(policies.isLoaded()).toBe(true);
  });

  it('replaces the whole set when a policy changes, and compiles it only then', () => {
    const { policies, lines, stored, sendState } = startTestWatch();
    sendState(stored('a', PERMIT));
    const first = policies.current();
    sendState(stored('a', PERMIT));
    expect(policies.current()).toBe(first);
    sendState(stored('a', PERMIT), stored('b', PERMIT));
    expect(policies.current()).toMatchObject({ findings: [{ name: 'a' }, { name: 'b' }] });
    sendState(stored('a', PERMIT.replace('permit', 'forbid'), 2), stored('b', PERMIT));
    sendState(stored('b', PERMIT));
    expect(policies.current()).toMatchObject({ findings: [{ name: 'b' }] });
    expect(lines.filter((line) => line === 'policies loaded')).toHaveLength(4);
  });

  it('compiles another text of the same generation, which a restored cluster may have', () => {
    const { policies, stored, sendState } = startTestWatch();
    sendState(stored('a', PERMIT));
    const lost = policies.current();
    sendState(stored('a', PERMIT.replace('permit', 'forbid')));
    expect(policies.current()).not.toBe(lost);
  });

  it('returns unknown while the watch is stale', () => {
    const { policies, sync, stored, sendState, pass, reportSync } = startTestWatch();
    sendState(stored('a', PERMIT));
    pass(60);
    expect(policies.current()).toHaveProperty('version');
    pass(2);
    expect(policies.current()).toEqual({
      unknown: 'the API server sent no update of the policies for 62 s',
    });
    expect(sync.ageSeconds()).toBe(62);
    expect(policies.isLoaded()).toBe(true);
    reportSync();
    expect(policies.current()).toHaveProperty('version');
  });

  it('keeps unreadable policies as invalid ones', () => {
    const { policies, sendState, stored } = startTestWatch();
    sendState({ ...stored('a', ''), spec: { cedar: 'permit' } });
    const current = policies.current();
    if ('unknown' in current) throw new Error(current.unknown);
    expect(current.findings[0]?.faults).not.toEqual([]);
  });
});
