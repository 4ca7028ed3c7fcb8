import type { Clock } from '../contract/clock.ts';
import { openBuckets, type TakeFrom } from './buckets.ts';
import type { Claimant, VerifyToken } from './caller.ts';
import { IssuingError } from './refusal.ts';
import type { IssuingCode } from './refusals.ts';

/** Requests per second, sustained; a burst is what thirty seconds let through. */
export type FloodRates = {
  readonly peer: number;
  readonly pod: number;
  readonly serviceAccount: number;
  readonly namespace: number;
  /** Verifications of tokens under way at once. */
  readonly verifications: number;
};

const BURST_SECONDS = 30;
const CAPACITY = 16_384;
/** Policy judges pairs one by one: so many take about as long as all the rest of a request. */
const PAIRS_PER_REQUEST = 16;

export type FloodLimits = {
  /** Before anything of a request is read. @throws IssuingError `flood_peer` */
  readonly admitPeer: (peer: string) => void;
  /**
   * `verify`, bounded before any cryptography by how many are under way.
   *
   * @throws IssuingError `overloaded`; what `verify` throws
   */
  readonly bounded: (verify: VerifyToken) => VerifyToken;
  /**
   * Once the signature holds: a forged token never costs the pod that it names. The pod first, so
   * that one that floods spends nothing that its neighbours share.
   *
   * @throws IssuingError `flood_pod`, `flood_service_account`, `flood_namespace`
   */
  readonly admit: (claimant: Claimant) => void;
  /**
   * The same for what policy is about to judge: a task of many pairs counts as many requests.
   *
   * @param pairs of an action and a resource; a task has 256 at most
   * @throws IssuingError as `admit`
   */
  readonly charge: (claimant: Claimant, pairs: number) => void;
};

export const openFloodLimits = (
  rates: FloodRates,
  { monotonic }: Pick<Clock, 'monotonic'>,
): FloodLimits => {
  const buckets = (perSecond: number) =>
    openBuckets({ perSecond, burst: perSecond * BURST_SECONDS, capacity: CAPACITY, monotonic });
  const peers = buckets(rates.peer);
  const pods = buckets(rates.pod);
  const serviceAccounts = buckets(rates.serviceAccount);
  const namespaces = buckets(rates.namespace);
  let underWay = 0;
  const takeAll = ({ namespace, serviceAccount, pod }: Claimant, amount: number): void => {
    take(pods, pod.uid, 'flood_pod', amount);
    take(serviceAccounts, `${namespace}/${serviceAccount}`, 'flood_service_account', amount);
    take(namespaces, namespace, 'flood_namespace', amount);
  };
  return {
    admitPeer: (peer) => take(peers, peer, 'flood_peer'),
    bounded: (verify) => async (token, peer) => {
      if (underWay >= rates.verifications) {
        throw new IssuingError('overloaded', 'too many tokens are being verified; try again');
      }
      underWay += 1;
      return verify(token, peer).finally(() => (underWay -= 1));
    },
    admit: (claimant) => takeAll(claimant, 1),
    charge: (claimant, pairs) => {
      const amount = Math.ceil(pairs / PAIRS_PER_REQUEST) - 1;
      if (amount > 0) takeAll(claimant, amount);
    },
  };
};

const take = (from: TakeFrom, key: string, code: IssuingCode, amount = 1): void => {
  const retryAfterMs = from(key, amount);
  if (retryAfterMs === 0) return;
  const message = 'too many requests; Retry-After says when to come back';
  throw new IssuingError(code, message, { retryAfterMs });
};
