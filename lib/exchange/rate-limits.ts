import type { Clock } from '../contract/clock.ts';
import { createTokenBuckets, type TakeTokens } from '../async/token-buckets.ts';
import type { Caller, VerifyPodToken } from './caller.ts';
import { IssuingError } from './token-refusal.ts';
import type { IssuingCode } from './refusal-table.ts';

/** Requests per second, sustained; a burst is what thirty seconds let through. */
export type RateLimitOptions = {
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

export type RateLimits = {
  /** Before anything of a request is read. @throws IssuingError `rate_limited_peer` */
  readonly checkPeerRateLimit: (peer: string) => void;
  /**
   * `verify`, bounded before any cryptography by how many are under way.
   *
   * @throws IssuingError `overloaded`; what `verify` throws
   */
  readonly limitVerifications: (verify: VerifyPodToken) => VerifyPodToken;
  /**
   * Once the signature holds: a forged token never costs the pod that it names. The pod first, so
   * that one that floods spends nothing that its neighbours share.
   *
   * @throws IssuingError `rate_limited_pod`, `rate_limited_service_account`, `rate_limited_namespace`
   */
  readonly checkRateLimits: (claimant: Caller) => void;
  /**
   * The same for what policy is about to judge: a task of many pairs counts as many requests.
   *
   * @param pairs of an action and a resource; a task has 256 at most
   * @throws IssuingError as `admit`
   */
  readonly chargePairs: (claimant: Caller, pairs: number) => void;
};

export const createRateLimits = (
  rates: RateLimitOptions,
  { monotonic }: Pick<Clock, 'monotonic'>,
): RateLimits => {
  const createBuckets = (perSecond: number) =>
    createTokenBuckets({
      perSecond,
      burst: perSecond * BURST_SECONDS,
      capacity: CAPACITY,
      monotonic,
    });
  const peers = createBuckets(rates.peer);
  const pods = createBuckets(rates.pod);
  const serviceAccounts = createBuckets(rates.serviceAccount);
  const namespaces = createBuckets(rates.namespace);
  let runningVerifications = 0;
  const takeAll = ({ namespace, serviceAccount, pod }: Caller, amount: number): void => {
    takeOrRefuse(pods, pod.uid, 'rate_limited_pod', amount);
    takeOrRefuse(
      serviceAccounts,
      `${namespace}/${serviceAccount}`,
      'rate_limited_service_account',
      amount,
    );
    takeOrRefuse(namespaces, namespace, 'rate_limited_namespace', amount);
  };
  return {
    checkPeerRateLimit: (peer) => takeOrRefuse(peers, peer, 'rate_limited_peer'),
    limitVerifications: (verify) => async (token, peer) => {
      if (runningVerifications >= rates.verifications) {
        throw new IssuingError('overloaded', 'too many tokens are being verified; try again');
      }
      runningVerifications += 1;
      return verify(token, peer).finally(() => (runningVerifications -= 1));
    },
    checkRateLimits: (claimant) => takeAll(claimant, 1),
    chargePairs: (claimant, pairs) => {
      const amount = Math.ceil(pairs / PAIRS_PER_REQUEST) - 1;
      if (amount > 0) takeAll(claimant, amount);
    },
  };
};

const takeOrRefuse = (from: TakeTokens, key: string, code: IssuingCode, amount = 1): void => {
  const retryAfterMs = from(key, amount);
  if (retryAfterMs === 0) return;
  const message = 'too many requests; Retry-After says when to come back';
  throw new IssuingError(code, message, { retryAfterMs });
};
