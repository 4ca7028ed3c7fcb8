import type { Revocation, RevocationSpec } from '../../lib/contract/authority-api.ts';
import { buildCompletion } from '../../lib/revocation/completion.ts';
import { buildDenyList } from '../../lib/revocation/deny-list.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import { buildDenyListPolicy } from '../../lib/scope/aws/deny-list-policy.ts';
import { captureOutcome } from './outcomes.ts';
import { attempt } from './role-parsers.ts';

const NOW = Date.parse('2026-01-02T03:04:05.678Z');
const BY = 'system:serviceaccount:valetkey:valetkey-authority';
const terms = { now: NOW, maxLifetimeSeconds: 3600, staleAfterSeconds: 60, by: BY };

const revoked = (spec: Partial<RevocationSpec>, ageSeconds = 60): Revocation => ({
  name: `revocation-${ageSeconds}`,
  uid: `uid-${ageSeconds}`,
  createdAt: NOW - ageSeconds * 1000,
  spec: { reason: 'leak', by: 'alice', ...spec },
});

const pod = { namespace: 'research', name: 'p'.repeat(60) };
const account = { namespace: 'research', name: 'agent' };
const REVOCATIONS: readonly Revocation[] = [
  revoked({ run: 'run-1' }, 60),
  revoked({ run: 'run-2' }, 3_590),
  revoked({ run: 'run-3' }, 3_640),
  revoked({ ...buildCompletion({ run: 'run-4', end: 'completed', by: BY }).spec }, 5),
  revoked({ pod }, 10),
  revoked({ pod: { ...pod, name: 'agent-7', uid: 'a-uid' } }, 11),
  revoked({ task: { namespace: 'research', serviceAccount: 'agent', task: 'summarize' } }, 12),
  revoked({ serviceAccount: account }, 13),
  revoked({ namespace: 'research', until: '2026-01-02T03:04:00Z' }, 14),
  revoked({ all: true }, 15),
  revoked({ namespace: 'old' }, 9_999),
];

const wanted = buildDenyList(REVOCATIONS, terms);
const many = Array.from({ length: 400 }, (_, index) => ({
  run: `run-${`${index}`.padStart(28, '0')}`,
  deadline: NOW + 1000 * (index % 97),
  hasCompleted: index % 3 === 0,
}));

const SPECS: readonly object[] = [
  ...REVOCATIONS.map(({ spec }) => spec),
  ...[
    {},
    { run: 'a', all: true },
    { all: false },
    { run: 'a b' },
    { namespace: 'A' },
    { until: 'x' },
  ],
  ...[{ pod: { namespace: 'a' } }, { task: { namespace: 'a', serviceAccount: 'b', task: 'C' } }],
];

/** Inline role policies that deny sessions which ended, and the Revocations that they come from. */
export const captureDenyLists = (): object => ({
  wanted,
  policy: buildDenyListPolicy(wanted, { now: NOW }),
  each: REVOCATIONS.map((one) => buildDenyListPolicy(buildDenyList([one], terms), { now: NOW })),
  crowded: buildDenyListPolicy({ runs: many, sessions: wanted.sessions }, { now: NOW }),
  tooLong: attempt(() => buildDenyListPolicy(wanted, { now: NOW, maxLength: 100 })),
  read: SPECS.map((spec) =>
    captureOutcome(
      readRevocation({
        metadata: { name: 'a', uid: 'b', creationTimestamp: '2026-01-02T03:04:05Z' },
        spec: { reason: 'leak', by: 'alice', ...spec },
      }),
    ),
  ),
});
