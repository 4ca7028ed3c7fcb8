import { readHead, type Head } from '../../lib/audit/heads.ts';
import type { Revocation } from '../../lib/contract/authority-api.ts';
import { TRUST_BUNDLE_CONFIG_MAP } from '../../lib/contract/authority-api.ts';
import { INSTALLED } from '../../lib/contract/names.ts';
import { ANY_ACCOUNT, type Platform } from '../../lib/contract/platform.ts';
import { VERSION } from '../../lib/contract/version.ts';
import type { CustomResource } from '../../lib/edge/kubernetes/custom-resources.ts';
import type { Replicas } from '../../lib/edge/kubernetes/installation.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { getExceptionEnd } from '../../lib/policy/vend-exceptions.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import { isInForce } from '../../lib/revocation/matching.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import { checkBundle, type BundleState } from './certificate-bundles.ts';
import { checkInstalledObject, type ObjectCheck } from './installed-objects.ts';
import { checkPolicyParameters } from './policy-parameters.ts';
import { findRefusalProblems, groupRefusals, type RecentRefusal } from './recent-refusals.ts';
import { checkPolicies, type PolicyState } from './policy-states.ts';
import type { ReadResult, StatusData } from './status-data.ts';
import type { PublishedKey } from './jwks.ts';
import { checkUpstreams, type UpstreamState } from './upstream-states.ts';

/** State of an installation. Data that could not be read is missing here and listed as a problem. */
export type InstallationStatus = {
  readonly trust: Platform['trust'];
  readonly programs: readonly ProgramState[];
  /** CA certificates that the API server and sidecars trust. */
  readonly certificates: readonly BundleState[];
  readonly policies: readonly PolicyState[];
  readonly keys: readonly PublishedKey[];
  /** Revocations in force, without those by which the authority reports the end of a run. */
  readonly revocations: readonly Revocation[];
  /** Number of Revocations by which the authority reports the end of a run. */
  readonly completions: number;
  readonly upstreams: readonly UpstreamState[];
  readonly heads: readonly HeadState[];
  /** Refusals of the last hour, by code. */
  readonly refusals: readonly RecentRefusal[];
  readonly pods: readonly { readonly namespace: string; readonly count: number }[];
  readonly vend: Platform['policy']['vend'];
  readonly exceptions: StatusData['exceptions'];
  readonly vending: StatusData['vending'];
  /** Problems, one per line. */
  readonly problems: readonly string[];
  /** Settings that are allowed and risky, one per line. */
  readonly warnings: readonly string[];
};

export type ProgramState = Replicas & { readonly kind: string; readonly name: string };
export type HeadState = Head & { readonly replica: string };
/** Checks the data of an installation; `now` is in milliseconds since the epoch. */
export const evaluateStatus = (data: StatusData, now: number): InstallationStatus => {
  const { platform, installedIn, authority } = data;
  const { trust } = platform;
  const webhook = checkReadResult(
    `Deployment ${INSTALLED.webhook}`,
    data.webhook,
    [],
    checkProgram,
  );
  const parameters = checkReadResult(
    `ConfigMap ${INSTALLED.policyParameters}`,
    data.policyParameters,
    undefined,
    (found) => ({ value: undefined, problems: checkPolicyParameters(found, platform) }),
  );
  const pods = checkReadResult('pods', data.pods, [], toPodCounts);
  const objects = data.objects.map((object) => checkObject(object, { trust, now }));
  const others = authority && checkAuthority(authority, { installedIn, now });
  const programs = [...webhook.value, ...(others?.program ?? [])];
  return {
    trust,
    programs,
    certificates: [...objects.flatMap(({ bundles }) => bundles), ...(others?.certificates ?? [])],
    ...(others?.state ?? NO_AUTHORITY),
    pods: pods.value,
    vend: platform.policy.vend,
    exceptions: data.exceptions,
    vending: data.vending,
    problems: [
      ...webhook.problems,
      ...objects.flatMap(({ problems }) => problems),
      ...parameters.problems,
      ...(others?.problems ?? []),
      ...pods.problems,
      ...programs.flatMap(checkVersion),
    ],
    warnings: [
      ...(platform.tasks.accountIds.includes(ANY_ACCOUNT) ? [ANY_ACCOUNT_WARNING] : []),
      ...warnOfVending(data, now),
    ],
  };
};

/** As long as the alert. */
const NEAR_END_MS = 7 * 86_400_000;

const warnOfVending = (
  { platform, exceptions, vending }: StatusData,
  now: number,
): readonly string[] => {
  if (platform.policy.vend === 'free') return [];
  const ending = exceptions.filter(
    (each) => each.state === 'current' && getExceptionEnd(each) - now < NEAR_END_MS,
  );
  return [
    ...ending.map(
      ({ policy, until }) =>
        `${policy}: the exception ends on ${until}; then its tasks need delivery: sign, or a later @until`,
    ),
    ...vending
      .filter(({ outcome }) => outcome === 'deny')
      .map(
        ({ namespace, serviceAccount, task, podCount, why }) =>
          `task ${task} of ${namespace}/${serviceAccount} (${podCount} ${podCount === 1 ? 'pod' : 'pods'}): its next run is ${why}`,
      ),
  ];
};

const ANY_ACCOUNT_WARNING =
  "tasks.accountIds is ['*']: a task may name a role in any account that trusts the issuer, and send data there; list your accounts";

const NO_AUTHORITY = {
  policies: [],
  keys: [],
  revocations: [],
  completions: 0,
  upstreams: [],
  heads: [],
  refusals: [],
};

const checkObject = (
  { content, ...object }: StatusData['objects'][number],
  context: { readonly trust: Platform['trust']; readonly now: number },
): ObjectCheck => {
  if ('value' in content) return checkInstalledObject(object, content.value, context);
  const { kind, name } = object;
  return { problems: [`${kind} ${name}: unknown (${content.unknown})`], bundles: [] };
};

/** Another version decides by other rules, so that `lint` and `explain` would mislead. */
export const checkVersion = ({ kind, name, version }: ProgramState): readonly string[] =>
  version === VERSION
    ? []
    : [
        `${kind} ${name}: expected version ${VERSION} of this program, got ${version ?? 'no label'}`,
      ];

/** A checked value and its problems. */
type Checked<T> = { readonly value: T; readonly problems: readonly string[] };

const checkReadResult = <T, U>(
  name: string,
  result: ReadResult<T>,
  fallback: U,
  checkValue: (value: T, name: string) => Checked<U>,
): Checked<U> =>
  'value' in result
    ? checkValue(result.value, name)
    : { value: fallback, problems: [`${name}: unknown (${result.unknown})`] };

type Authority = NonNullable<StatusData['authority']>;
type AuthorityField =
  'policies' | 'keys' | 'revocations' | 'completions' | 'upstreams' | 'heads' | 'refusals';

const checkAuthority = (
  data: Authority,
  { installedIn, now }: { readonly installedIn: string; readonly now: number },
): {
  readonly program: readonly ProgramState[];
  readonly certificates: readonly BundleState[];
  readonly state: Pick<InstallationStatus, AuthorityField>;
  readonly problems: readonly string[];
} => {
  const name = `StatefulSet ${INSTALLED.authority}`;
  const program = checkReadResult(name, data.program, [], checkProgram);
  const policies = checkReadResult('TaskPolicies', data.policies, [], checkPolicies);
  const keys = checkReadResult('grant keys', data.keys, [], checkKeys);
  const parsedRevocations = checkReadResult('Revocations', data.revocations, [], toRevocations);
  const upstreams = checkReadResult('Upstreams', data.upstreams, [], checkUpstreams);
  const heads = checkReadResult('audit heads', data.heads, [], (published) =>
    checkHeads(published, program.value[0]?.wanted ?? 0),
  );
  const refusals = checkReadResult('Events', data.events, [], (events) => {
    const value = groupRefusals(events);
    return { value, problems: findRefusalProblems(value, now) };
  });
  const bundleName = `ConfigMap ${TRUST_BUNDLE_CONFIG_MAP}`;
  const trustBundle = checkReadResult(bundleName, data.trustBundle, [], (pem) => {
    const { bundles, problems } = checkBundle(bundleName, pem, now);
    return { value: bundles, problems };
  });
  const by = `system:serviceaccount:${installedIn}:${INSTALLED.authority}`;
  const inForce = parsedRevocations.value.filter(({ spec }) => isInForce(spec, now));
  const revocations = inForce.filter((each) => !isCompletionBy(each, by));
  return {
    program: program.value,
    certificates: trustBundle.value,
    state: {
      policies: policies.value,
      keys: keys.value,
      revocations,
      completions: inForce.length - revocations.length,
      upstreams: upstreams.value,
      heads: heads.value,
      refusals: refusals.value,
    },
    problems: [
      program,
      policies,
      keys,
      parsedRevocations,
      upstreams,
      heads,
      trustBundle,
      refusals,
    ].flatMap(({ problems }) => problems),
  };
};

/** Checks that all wanted replicas of a program are ready. */
export const checkProgram = (
  replicas: Replicas | undefined,
  program: string,
): Checked<readonly ProgramState[]> => {
  if (replicas === undefined) {
    return { value: [], problems: [`${program}: expected it to exist, got nothing`] };
  }
  const { ready, wanted } = replicas;
  const [kind = '', name = ''] = program.split(' ');
  const problem = `${program}: expected ${Math.max(1, wanted)} ready replicas, got ${ready}`;
  const isEnough = ready >= wanted && wanted > 0;
  return { value: [{ kind, name, ...replicas }], problems: isEnough ? [] : [problem] };
};

const toPodCounts = (counts: ReadonlyMap<string, number>): Checked<InstallationStatus['pods']> => ({
  value: Array.from(counts, ([namespace, count]) => ({ namespace, count })).sort((one, other) =>
    one.namespace < other.namespace ? -1 : 1,
  ),
  problems: [],
});

const checkKeys = (keys: readonly PublishedKey[]): Checked<readonly PublishedKey[]> => ({
  value: keys,
  problems:
    keys.length > 1 ? [] : ['grant keys: expected the signing key and the next key, got one key'],
});

const toRevocations = (stored: readonly CustomResource[]): Checked<readonly Revocation[]> => {
  const results = stored.map(readRevocation);
  return {
    value: results
      .flatMap((result) => (result.ok ? [result.value] : []))
      .sort((one, other) => other.createdAt - one.createdAt),
    problems: results.flatMap((result) => (result.ok ? [] : result.faults.map(formatFieldError))),
  };
};

/** Checks that each replica of the StatefulSet, named by its ordinal, has published a valid head. */
const checkHeads = (
  published: Readonly<Record<string, string>>,
  replicas: number,
): Checked<readonly HeadState[]> => {
  const results = Object.entries(published).map(
    ([replica, text]) => [replica, readHead(text, `audit head of ${replica}`)] as const,
  );
  const names = Array.from({ length: replicas }, (_, at) => `${INSTALLED.authority}-${at}`);
  const missing = names.filter((replica) => !Object.hasOwn(published, replica));
  return {
    value: results
      .flatMap(([replica, head]) => (head.ok ? [{ replica, ...head.value }] : []))
      .sort((one, other) => (one.replica < other.replica ? -1 : 1)),
    problems: [
      ...results.flatMap(([, head]) => (head.ok ? [] : head.faults.map(formatFieldError))),
      ...missing.map(
        (replica) => `audit head of ${replica}: expected a published head, got nothing`,
      ),
    ],
  };
};
