import { ExchangeError } from '../../lib/contract/exchange.ts';
import { buildGrantClaims, buildAuthorityClaims, type GrantedRun } from '../../lib/grant/claims.ts';
import { createRunIds } from '../../lib/grant/run-ids.ts';
import { buildSourceIdentity } from '../../lib/grant/source-identity.ts';
import { checkSpiffeId } from '../../lib/grant/spiffe-id.ts';
import { buildSessionName, truncatePodName } from '../../lib/scope/aws/session-name.ts';
import { faultPlace } from './outcomes.ts';
import { attempt } from './role-parsers.ts';

const NOW = Date.parse('2026-01-02T03:04:05.678Z');
const settings = {
  issuer: 'https://issuer.example/prod',
  trustDomain: 'prod.example',
  cloudAudience: 'sts.amazonaws.com',
  tagParams: ['customer', 'region'],
};

/** A secret and random bytes that are the same each time. */
const runIds = createRunIds(new Uint8Array(32).fill(7), (size: number) => Buffer.alloc(size, 0xa5));
const RUN = runIds.newRun('0d7f8f2e-5a52-4f3e-9d8f-111111111111');

const run = (more: Partial<GrantedRun>): GrantedRun => ({
  ...{ namespace: 'research', serviceAccount: 'agent', task: 'summarize', run: RUN, params: {} },
  ...more,
});

const user = { issuer: 'https://login.example', subject: 'alice@example.org' };
const RUNS: readonly GrantedRun[] = [
  run({}),
  run({ user }),
  run({ params: { customer: 'acme', region: 'eu', other: 'x' } }),
  run({ params: { customer: 'a,b' } }),
  run({ params: { customer: 'x'.repeat(257) } }),
  run({ params: { customer: 'müller & söhne' } }),
  run({ namespace: 'n'.repeat(63), serviceAccount: 'a'.repeat(200) }),
  run({ namespace: 'n'.repeat(63), serviceAccount: 'a'.repeat(40) }),
  run({ user: { ...user, subject: 'Ünïcode/user name|1'.repeat(9) } }),
  run({ user: { ...user, subject: '' } }),
];

const captureClaims = (given: GrantedRun): unknown => {
  try {
    return buildGrantClaims(given, settings, NOW);
  } catch (error) {
    if (error instanceof ExchangeError) return [error.kind, error.code];
    throw error;
  }
};

const PODS = [
  'a',
  'agent-7',
  'a.b',
  'x'.repeat(31),
  'x'.repeat(32),
  'y'.repeat(253),
  '',
  'pod_1',
  'ä',
];
const RUN_NAMES = [RUN, 'run-1', 'r', 'z'.repeat(63), 'z'.repeat(64), '', 'a b', 'a@b'];

/** Names, tags and claims that the cloud sees of a run. */
export const captureGrants = (): object => ({
  run: RUN,
  belongs: ['0d7f8f2e-5a52-4f3e-9d8f-111111111111', 'another', ''].map((uid) =>
    runIds.belongsTo(RUN, uid),
  ),
  malformed: ['', RUN.slice(1), RUN.toUpperCase(), `${RUN}a`].map((name) =>
    runIds.belongsTo(name, 'another'),
  ),
  claims: RUNS.map(captureClaims),
  sourceIdentities: RUNS.map(buildSourceIdentity),
  subjects: RUNS.map((given) =>
    checkSpiffeId({ ...given, trustDomain: settings.trustDomain }).map(faultPlace),
  ),
  own: buildAuthorityClaims({ id: 'revoker-1', now: NOW }, settings),
  sessionNames: PODS.map((podName) =>
    RUN_NAMES.map((name) => attempt(() => buildSessionName({ podName, run: name }))),
  ),
  shownPodNames: PODS.map((podName) => truncatePodName(podName)),
});
