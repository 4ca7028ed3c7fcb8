import { formatValue } from '../schema/field-error.ts';
import type { ProjectedClaims } from './projected-token.ts';
import { newRefusedError, newUnavailableError } from './identity-refusals.ts';

/** The current state of a pod, as far as identification needs it. */
export type PodState = {
  readonly uid: string;
  readonly node: string;
  /** One per IP family; the first is the primary one. */
  readonly ips: readonly string[];
};

/**
 * Checks that the token's pod is the same pod, is running, and has the service account, node and
 * address that the token and the request state.
 *
 * @param pod as the API server returned it; undefined if it does not exist
 * @param peer address that sent the request; undefined if it is not compared
 * @throws IdentityError refused (`pod_…`), or unavailable if the pod has no address yet
 */
export const checkPodState = (
  pod: unknown,
  claims: ProjectedClaims,
  peer: string | undefined,
): PodState => {
  const name = `${claims.namespace}/${claims.pod.name}`;
  if (pod === undefined) throw newRefusedError('pod_not_found', `expected pod ${name}, got none`);
  const [metadata, spec, status] = ['metadata', 'spec', 'status'].map((each) =>
    getMember(pod, each),
  );
  const uid = getText(metadata, 'uid');
  if (uid !== claims.pod.uid) {
    throw newRefusedError(
      'pod_replaced',
      `expected pod ${name} with uid ${claims.pod.uid}, got ${formatValue(uid)}`,
    );
  }
  if (getMember(metadata, 'deletionTimestamp') !== undefined) {
    throw newRefusedError(
      'pod_terminating',
      `expected pod ${name} to be running, got one that is being deleted`,
    );
  }
  const phase = getText(status, 'phase');
  if (phase === 'Succeeded' || phase === 'Failed') {
    throw newRefusedError('pod_ended', `expected pod ${name} to be running, got phase ${phase}`);
  }
  const account = getText(spec, 'serviceAccountName');
  if (account !== claims.serviceAccount.name) {
    const expected = `expected pod ${name} with service account ${claims.serviceAccount.name}`;
    throw newRefusedError('pod_service_account', `${expected}, got ${formatValue(account)}`);
  }
  const node = getText(spec, 'nodeName');
  if (node === '' || (claims.node !== undefined && node !== claims.node)) {
    const expected = `expected pod ${name} on node ${claims.node ?? 'that runs it'}`;
    throw newRefusedError('pod_node', `${expected}, got ${formatValue(node)}`);
  }
  return { uid, node, ips: checkPeerAddress(status, { name, peer }) };
};

const checkPeerAddress = (
  status: unknown,
  { name, peer }: { readonly name: string; readonly peer: string | undefined },
): readonly string[] => {
  const ip = getText(status, 'podIP');
  if (ip === '') {
    throw newUnavailableError('pod_address_unknown', `the address of pod ${name} is not known yet`);
  }
  const others = getMember(status, 'podIPs');
  const texts = Array.isArray(others) ? others.map((each) => getText(each, 'ip')) : [];
  const all = [...new Set([ip, ...texts])].filter((each) => each !== '');
  if (peer === undefined || all.includes(normalizeAddress(peer))) return all;
  throw newRefusedError(
    'pod_address',
    `expected a request from pod ${name}, got one from ${formatValue(peer)}`,
  );
};

/** A listener on `::` reports IPv4 peers as `::ffff:10.1.2.3`. */
const normalizeAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

const getMember = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? ((value as Readonly<Record<string, unknown>>)[name] ?? undefined)
    : undefined;

const getText = (value: unknown, name: string): string => {
  const found = getMember(value, name);
  return typeof found === 'string' ? found : '';
};
