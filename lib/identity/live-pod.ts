import { show } from '../reading/fault.ts';
import type { ProjectedClaims } from './projected-token.ts';
import { refused, unavailable } from './refusals.ts';

/** What identity needs to know of a pod at this moment. */
export type LivePod = { readonly uid: string; readonly node: string; readonly ip: string };

/**
 * Holds the pod that bears the token's names now against what the token says: the very same pod,
 * alive, and who and where it was.
 *
 * @param pod as the API server gave it; nothing: there is none
 * @param peer address that the request came from; absent: not compared
 * @throws IdentityError refused (`pod_…`), or unavailable where the pod has no address yet
 */
export const judgeLiveness = (
  pod: unknown,
  claims: ProjectedClaims,
  peer: string | undefined,
): LivePod => {
  const name = `${claims.namespace}/${claims.pod.name}`;
  if (pod === undefined) throw refused('pod_not_found', `expected pod ${name}, got none`);
  const [metadata, spec, status] = ['metadata', 'spec', 'status'].map((each) => member(pod, each));
  const uid = text(metadata, 'uid');
  if (uid !== claims.pod.uid) {
    throw refused(
      'pod_replaced',
      `expected pod ${name} with uid ${claims.pod.uid}, got ${show(uid)}`,
    );
  }
  if (member(metadata, 'deletionTimestamp') !== undefined) {
    throw refused('pod_terminating', `expected pod ${name} alive, got one that is being deleted`);
  }
  const phase = text(status, 'phase');
  if (phase === 'Succeeded' || phase === 'Failed') {
    throw refused('pod_ended', `expected pod ${name} alive, got phase ${phase}`);
  }
  const account = text(spec, 'serviceAccountName');
  if (account !== claims.serviceAccount.name) {
    const expected = `expected pod ${name} with service account ${claims.serviceAccount.name}`;
    throw refused('pod_service_account', `${expected}, got ${show(account)}`);
  }
  const node = text(spec, 'nodeName');
  if (node === '' || (claims.node !== undefined && node !== claims.node)) {
    const expected = `expected pod ${name} on node ${claims.node ?? 'that runs it'}`;
    throw refused('pod_node', `${expected}, got ${show(node)}`);
  }
  return { uid, node, ip: judgeAddress(status, { name, peer }) };
};

const judgeAddress = (
  status: unknown,
  { name, peer }: { readonly name: string; readonly peer: string | undefined },
): string => {
  const ip = text(status, 'podIP');
  if (ip === '') {
    throw unavailable('pod_address_unknown', `the address of pod ${name} is not known yet`);
  }
  if (peer === undefined) return ip;
  const others = member(status, 'podIPs');
  const all = [ip, ...(Array.isArray(others) ? others.map((each) => text(each, 'ip')) : [])];
  if (all.includes(plainAddress(peer))) return ip;
  throw refused('pod_address', `expected a request from pod ${name}, got one from ${show(peer)}`);
};

/** A listener on `::` sees IPv4 peers as `::ffff:10.1.2.3`. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? ((value as Readonly<Record<string, unknown>>)[name] ?? undefined)
    : undefined;

const text = (value: unknown, name: string): string => {
  const found = member(value, name);
  return typeof found === 'string' ? found : '';
};
