import type { Clock } from '../contract/clock.ts';
import type { Usage } from '../contract/usage.ts';
import { createTokenBuckets, type TakeTokens } from '../async/token-buckets.ts';
import type { Caller } from './caller.ts';
import { RequestError } from './token-refusal.ts';
import type { RequestErrorCode } from './refusal-table.ts';

/** Sustained requests per second; the burst is thirty seconds' worth. */
export type RateLimitOptions = {
  readonly peer: number;
  readonly pod: number;
  readonly serviceAccount: number;
  readonly namespace: number;
  /** Concurrent verifications of tokens. */
  readonly verifications: number;
};

export const BURST_SECONDS = 30;
const CAPACITY = 16_384;
/** Policy evaluates pair by pair: evaluating this many takes about as long as the rest of a request. */
const PAIRS_PER_REQUEST = 16;

export type RateLimits = {
  /**
   * Call it before reading anything of a request.
   *
   * @param address remote address as the socket reports it; undefined if the peer has disconnected
   * @throws RequestError `rate_limited_peer`
   */
  readonly checkPeerRateLimit: (address: string | undefined) => void;
  /**
   * Limits how many calls of `verify` run at once, so that the limit applies before any cryptography.
   *
   * @throws RequestError `overloaded`; what `verify` throws
   */
  readonly limitVerifications: <A extends readonly unknown[], R>(
    verify: (...given: A) => Promise<R>,
  ) => (...given: A) => Promise<R>;
  /** The verifications in progress. */
  readonly verifications: () => Usage;
  /**
   * Call it after the token was verified: a forged token must not count against the pod that it names.
   * The pod's limit is checked first, so that a pod over its limit uses up nothing of the limits that
   * it shares with other pods.
   *
   * @throws RequestError `rate_limited_pod`, `rate_limited_service_account`, `rate_limited_namespace`
   */
  readonly checkRateLimits: (caller: Caller) => void;
  /**
   * Counts a task of many pairs as several requests, before policy evaluates it.
   *
   * @param pairs number of (action, resource) pairs; at most 256 per task
   * @throws RequestError as `checkRateLimits`
   */
  readonly chargePairs: (caller: Caller, pairs: number) => void;
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
    const account = `${namespace}/${serviceAccount}`;
    takeOrRefuse(pods, pod.uid, 'rate_limited_pod', amount);
    takeOrRefuse(serviceAccounts, account, 'rate_limited_service_account', amount);
    takeOrRefuse(namespaces, namespace, 'rate_limited_namespace', amount);
  };
  return {
    checkPeerRateLimit: (address) =>
      takeOrRefuse(peers, normalizePeerAddress(address), 'rate_limited_peer'),
    limitVerifications:
      (verify) =>
      async (...given) => {
        if (runningVerifications >= rates.verifications) {
          throw new RequestError('overloaded', 'too many tokens are being verified; try again');
        }
        runningVerifications += 1;
        return verify(...given).finally(() => (runningVerifications -= 1));
      },
    verifications: () => ({ used: runningVerifications, max: rates.verifications }),
    checkRateLimits: (caller) => takeAll(caller, 1),
    chargePairs: (caller, pairs) => {
      const amount = Math.ceil(pairs / PAIRS_PER_REQUEST) - 1;
      if (amount > 0) takeAll(caller, amount);
    },
  };
};

/**
 * Creates the limit of requests about runs that exist: they have buckets of their own, because calls that
 * policy decides would otherwise stop the starts of runs.
 *
 * @param perPod requests per second; a namespace has ten times as many
 * @returns a function that counts `amount` requests. @throws RequestError `rate_limited_pod`, `rate_limited_namespace`
 */
export const createCallRateLimit = (
  perPod: number,
  { monotonic }: Pick<Clock, 'monotonic'>,
): ((caller: Caller, amount?: number) => void) => {
  const createBuckets = (perSecond: number) =>
    createTokenBuckets({ perSecond, burst: perSecond * 2, capacity: CAPACITY, monotonic });
  const pods = createBuckets(perPod);
  const namespaces = createBuckets(perPod * PODS_PER_NAMESPACE);
  return ({ namespace, pod }, amount = 1) => {
    takeOrRefuse(pods, pod.uid, 'rate_limited_pod', amount);
    takeOrRefuse(namespaces, namespace, 'rate_limited_namespace', amount);
  };
};

/** As many pods of a namespace can use their limit at the same time. */
const PODS_PER_NAMESPACE = 10;

const takeOrRefuse = (take: TakeTokens, key: string, code: RequestErrorCode, amount = 1): void => {
  const retryAfterMs = take(key, amount);
  if (retryAfterMs === 0) return;
  throw new RequestError(code, 'too many requests; retry after the time in Retry-After', {
    retryAfterMs,
  });
};

const IPV4_MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

/**
 * The bucket of a remote address is the address itself. An IPv6 address is not reduced to its /64,
 * which belongs to a node or a subnet: one pod would use up the limit of its neighbors.
 *
 * @param address as a socket reports it; undefined if the peer has disconnected
 */
export const normalizePeerAddress = (address: string | undefined): string => {
  if (address === undefined) return 'gone';
  const [, v4] = IPV4_MAPPED.exec(address) ?? [];
  if (v4 !== undefined) return v4;
  return address.split('%', 1)[0] ?? address;
};
