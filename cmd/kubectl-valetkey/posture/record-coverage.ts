import { formatAuditFault, formatForeignText } from '../../../lib/audit/audit-findings.ts';
import type { Position } from '../../../lib/audit/chain.ts';
import type { Head } from '../../../lib/audit/heads.ts';
import type { ReadRecord } from '../../../lib/audit/record-reader.ts';
import type { AuditReport } from '../../../lib/audit/verify.ts';
import type { Window } from './recorded-usage.ts';

/** Which period the records cover, and what is missing in it. */
export type Coverage = {
  readonly window: Window;
  /** Why records of the window are missing, one line each; empty: none is. */
  readonly gaps: readonly string[];
  /** Ranges before restarts that no verification can decide; see `audit verify`. */
  readonly unverified: number;
};

const MAX_SHOWN_FAULTS = 3;

/** Notes where each chain of the records begins, and which chains it says were before it. */
export const createChainStarts = () => {
  const firstAt = new Map<string, number>();
  const after: { readonly at: number; readonly position: Position }[] = [];
  const add = ({ position, link, body }: Pick<ReadRecord, 'position' | 'link' | 'body'>): void => {
    const at = typeof body['time'] === 'number' ? body['time'] : 0;
    firstAt.set(position.chain, Math.min(at, firstAt.get(position.chain) ?? Infinity));
    if (position.sequence === 0) {
      after.push(...(link.after ?? []).map((each) => ({ at, position: each })));
    }
  };
  /** Of a verification that allows missing starts. */
  const listMissing = ({ chains }: Pick<AuditReport, 'chains'>): readonly Missing[] => [
    ...chains
      .filter(({ first }) => first > 0)
      .map(({ chain }) => ({ chain, before: firstAt.get(chain) ?? Infinity })),
    ...after
      .filter(({ position }) => !firstAt.has(position.chain))
      .map(({ at, position }) => ({ chain: position.chain, before: at })),
  ];
  return { add, listMissing };
};

/** Records of a chain that are not in the files. Milliseconds since the epoch. */
type Missing = { readonly chain: string; readonly before: number };

/**
 * Decides which part of a wanted window the records cover. It ends where the records of one replica end.
 *
 * @param heads as the cluster publishes them: the newest record of each replica
 * @param wanted `until` is the time of the heads, or earlier
 */
export const evaluateCoverage = (
  report: AuditReport,
  {
    heads,
    missing,
    wanted,
  }: {
    readonly heads: Readonly<Record<string, Head>>;
    readonly missing: readonly Missing[];
    readonly wanted: Window;
  },
): Coverage => {
  const unverified = report.unverified.length;
  const replicas = Object.entries(heads).filter(([, { at }]) => at >= wanted.since);
  const ends = replicas.map(([replica, head]) => {
    const chain = report.chains.find((each) => each.chain === head.chain);
    const isCurrent = chain !== undefined && chain.last >= head.sequence;
    return { replica, head, chain, at: isCurrent ? wanted.until : chain?.lastAt };
  });
  const until = Math.min(wanted.until, ...ends.flatMap(({ at }) => at ?? []));
  const gaps = [
    ...listFaults(report),
    ...ends
      .filter(({ chain }) => chain === undefined)
      .map(
        ({ replica, head }) =>
          `no records of ${formatForeignText(replica)} (chain ${formatForeignText(head.chain)})`,
      ),
    ...missing
      .filter(({ before }) => before > wanted.since)
      .map(
        ({ chain, before }) =>
          `records of ${formatForeignText(chain)} before ${new Date(before).toISOString()}`,
      ),
    ...(until > wanted.since ? [] : ['every record of the period: the files end before it']),
  ];
  return { window: { since: wanted.since, until }, gaps: [...new Set(gaps)], unverified };
};

const listFaults = ({ faults, faultCount }: AuditReport): readonly string[] => {
  const rest = faultCount - MAX_SHOWN_FAULTS;
  return [
    ...faults.slice(0, MAX_SHOWN_FAULTS).map(formatAuditFault),
    ...(rest > 0 ? [`${rest} more faults: see kubectl valetkey audit verify`] : []),
  ];
};
