import { describe, expect, it } from '@jest/globals';

import { RUN_ENDS, type RevocationSpec } from '../contract/authority-api.ts';
import { buildCompletion, isCompletionBy } from './completion.ts';
import { NOON, buildRevocation } from './fixtures/revocation-objects.ts';
import { buildObservedEvents } from './observed-revocations.ts';

const by = 'system:serviceaccount:valetkey:valetkey-authority';
const now = NOON + 60_000;
const day = 86_400_000;

describe('buildObservedEvents', () => {
  it('returns one event for a new Revocation with target, author and reason', () => {
    const one = buildRevocation('one', {
      task: { namespace: 'a', serviceAccount: 's', task: 't' },
    });
    const known = new Set(['uid-two']);
    expect(
      buildObservedEvents([one, buildRevocation('two', { all: true })], { known, by, now }),
    ).toEqual([
      {
        kind: 'revocation.observed',
        at: now,
        subject: 'one',
        task: 't',
        reason: 'revoked',
        message: 'task a/s/t revoked by ann@example.com at 2030-01-01T12:00:00.000Z: incident 7',
      },
    ]);
  });

  it('returns at start an event for each recent Revocation and one for the others', () => {
    const old = Array.from({ length: 500 }, (_, n) =>
      buildRevocation(`old${n}`, { run: `${n}` }, NOON - day),
    );
    const events = buildObservedEvents([...old, buildRevocation('new', { all: true })], {
      known: undefined,
      by,
      now,
    });
    expect(events.map(({ subject, message }) => subject ?? message)).toEqual([
      'new',
      '500 older Revocations existed when this replica started',
    ]);
  });

  it('returns at most 100 events of the newest Revocations and one for the others', () => {
    const recent = Array.from({ length: 1000 }, (_, n) =>
      buildRevocation(`r${n}`, { run: `${n}` }, NOON + n),
    );
    const events = buildObservedEvents(recent, { known: undefined, by, now });
    expect(events).toHaveLength(101);
    expect(events[0]?.subject).toBe('r999');
  });

  it('returns no event for a completion that the authority published', () => {
    const { name, spec } = buildCompletion({ run: 'abc', end: 'completed', by });
    const own = { name, uid: 'u', createdAt: NOON, spec };
    expect([name, spec]).toEqual(['run-abc', { run: 'abc', reason: 'completed', by }]);
    expect(buildObservedEvents([own], { known: new Set(), by, now })).toEqual([]);
    expect(buildObservedEvents([own], { known: undefined, by, now })).toEqual([]);
  });
});

describe('isCompletionBy', () => {
  const completion = { run: 'abc', reason: 'completed', by };

  it('is true for what buildCompletion builds, with every reason', () => {
    for (const end of RUN_ENDS) {
      const { name, spec } = buildCompletion({ run: 'abc', end, by });
      expect(isCompletionBy(buildRevocation(name, spec), by)).toBe(true);
    }
  });

  it.each<[string, string, Partial<RevocationSpec>]>([
    ['of another author', 'run-abc', { ...completion, by: 'ann@example.com' }],
    ['with another name', 'signal-abc', completion],
    ['with the name of another run', 'run-abcd', completion],
    ['with another reason', 'run-abc', { ...completion, reason: 'parent revoked' }],
    ['of everything', 'run-abc', { all: true, reason: 'completed', by }],
  ])('is false for a Revocation %s', (_, name, spec) => {
    expect(isCompletionBy(buildRevocation(name, spec), by)).toBe(false);
  });
});
