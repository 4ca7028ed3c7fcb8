import type { AuthorityEvent } from '../../lib/edge/kubernetes/installation.ts';
import { REFUSALS } from '../../lib/exchange/refusal-table.ts';
import { formatAge } from './table.ts';

/** Refusals of one code, from the Events of the authority. */
export type RecentRefusal = {
  readonly code: string;
  /** Number of distinct pods. */
  readonly pods: number;
  /** Milliseconds since the epoch, of the newest. */
  readonly at: number;
  /** Of the newest. */
  readonly message: string;
};

/** Groups Events by their code, newest first. */
export const groupRefusals = (events: readonly AuthorityEvent[]): readonly RecentRefusal[] => {
  const byCode = new Map<string, readonly AuthorityEvent[]>();
  for (const event of events) byCode.set(event.code, [...(byCode.get(event.code) ?? []), event]);
  return Array.from(byCode, ([code, all]) => {
    const newest = all.reduce((latest, each) => (each.at > latest.at ? each : latest));
    const pods = new Set(all.map(({ namespace, pod }) => `${namespace}/${pod}`)).size;
    return { code, pods, at: newest.at, message: newest.message };
  }).sort((one, other) => other.at - one.at);
};

/** Events are written again each minute while their cause lasts. */
const RECENT_MS = 5 * 60_000;

/** Describes the refusals of the last minutes that no author of a pod can resolve. */
export const findRefusalProblems = (
  refusals: readonly RecentRefusal[],
  now: number,
): readonly string[] =>
  refusals
    .filter(({ code, at }) => now - at <= RECENT_MS && isOfPlatform(code))
    .map(({ code, pods, at, message }) => {
      const count = `${pods} ${pods === 1 ? 'pod' : 'pods'}, last ${formatAge(now - at)} ago`;
      return `${code} (${count}): ${message}`;
    });

const isOfPlatform = (code: string): boolean =>
  !Object.hasOwn(REFUSALS, code) ||
  (REFUSALS[code]?.status ?? 0) >= 500 ||
  PLATFORM_CODES.has(code);

/** Final refusals that concern the trust between the cloud and the authority. */
const PLATFORM_CODES = new Set(['InvalidIdentityToken', 'IDPRejectedClaim', 'clock_skew']);
