import type { CallHead, UsedPermission } from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import type { GatewaySettings } from '../contract/platform.ts';
import type { Schedule } from '../contract/schedule.ts';
import { renderCallLine, toCount, type CallEntry } from '../audit/call-line.ts';
import { computeSha256, NOTHING_BEFORE } from '../audit/chain.ts';
import type { Permission } from '../operations/operation.ts';
import { buildIdleHead, createCallSummary, cutResource, type CallSummary } from './call-summary.ts';
import type { EndedCall } from './ended-call.ts';
import { createLineWriter, type WriteText } from './line-writer.ts';
import { createMergedCalls, type PreparedCall } from './merged-calls.ts';

export type CallJournal = {
  /** Writes the line of a call, or merges the call with equal ones. Never throws. */
  readonly record: (call: EndedCall) => void;
  /** Reports the head of a run that ended, after the calls that its end cut; also if there were none. */
  readonly endRun: (run: string) => void;
  /** Whether lines cannot be written: calls must be refused with `audit_unavailable`. */
  readonly isBlocked: () => boolean;
  /** Writes what is merged and reports every head. To be called after all calls have ended. */
  readonly close: () => void;
};

/** The head of a run's journal, for the authority's records. */
export type CallReport = { readonly run: string; readonly calls: CallHead };

export type CallJournalDeps = {
  /** Writes to standard output. */
  readonly write: WriteText;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Sends a head to the authority; never blocks. Absent under `trust: cluster`. */
  readonly report?: ((report: CallReport) => void) | undefined;
};

const MERGE_MS = 1_000;
/** Calls that are cut end within a second after their run. */
const END_DELAY_MS = 1_000;
/** Between two heads of a run that lasts: each becomes an audit record. */
const REPORT_EVERY_MS = 60_000;
/** Runs whose chain is in memory; only runs with calls have one. */
const MAX_CHAINS = 1_024;

/** The chain of one run. */
type Chain = {
  readonly run: string | undefined;
  seq: number;
  previous: string;
  readonly summary: CallSummary;
  /** On the monotonic clock. */
  reportedAt: number;
  /** Cancels the scheduled report. */
  cancel: (() => void) | undefined;
};

/** The chains in memory, and the reports of their heads. */
const createChains = ({ clock, schedule, report }: Omit<CallJournalDeps, 'write'>) => {
  const chains = new Map<string | undefined, Chain>();

  const reportHead = (chain: Chain): void => {
    chain.cancel?.();
    chain.cancel = undefined;
    const calls = chain.summary.take();
    if (calls === undefined || chain.run === undefined) return;
    chain.reportedAt = clock.monotonic();
    report?.({ run: chain.run, calls });
  };
  const forget = (chain: Chain): void => {
    reportHead(chain);
    chains.delete(chain.run);
  };
  /** Without this report a run without calls would look like one whose report was lost. */
  const reportIdle = (run: string, chain?: Chain): void => {
    report?.({ run, calls: buildIdleHead(clock.now(), chain) });
  };
  const start = (run: string | undefined): Chain => {
    const [oldest] = [...chains.values()].filter((each) => each.run !== undefined);
    if (chains.size >= MAX_CHAINS && oldest !== undefined) forget(oldest);
    const chain: Chain = {
      run,
      summary: createCallSummary(),
      seq: 0,
      previous: NOTHING_BEFORE,
      reportedAt: -Infinity,
      cancel: undefined,
    };
    chains.set(run, chain);
    return chain;
  };
  return {
    getOrStart: (run: string | undefined): Chain => chains.get(run) ?? start(run),
    scheduleReport: (chain: Chain): void => {
      if (report === undefined || chain.run === undefined || chain.cancel !== undefined) return;
      const waitMs = chain.reportedAt + REPORT_EVERY_MS - clock.monotonic();
      chain.cancel = schedule(Math.max(MERGE_MS, waitMs), () => reportHead(chain));
    },
    /** Reports the head of a run that ended, and forgets its chain later. */
    end: (run: string): void => {
      const chain = chains.get(run);
      if (chain === undefined) {
        reportIdle(run);
        return;
      }
      if (chain.summary.isEmpty()) reportIdle(run, chain);
      else reportHead(chain);
      chain.cancel = schedule(REPORT_EVERY_MS, () => forget(chain));
    },
    forgetAll: (): void => {
      for (const chain of [...chains.values()]) forget(chain);
    },
  };
};

/**
 * Creates the journal of the gateway's calls: one line for each, chained by run. Calls that were refused
 * before their run was known have a chain of their own, without heads.
 */
export const createCallJournal = (
  {
    journalLinesPerSecond,
    journalResources,
  }: Pick<GatewaySettings, 'journalLinesPerSecond' | 'journalResources'>,
  { write, clock, schedule, report }: CallJournalDeps,
): CallJournal => {
  const writer = createLineWriter(write, clock);
  const merged = createMergedCalls();
  const isOverRate = createRateCheck(journalLinesPerSecond, clock);
  const show = journalResources === 'hashed' ? hashResource : (resource: string) => resource;
  const chains = createChains({ clock, schedule, report });
  /** Runs whose end is not reported yet. */
  const ending = new Set<string>();
  let cancelFlush: (() => void) | undefined;

  const endChain = (run: string): void => {
    if (ending.delete(run)) chains.end(run);
  };
  const append = ({ entry, permissions }: PreparedCall): void => {
    const chain = chains.getOrStart(entry.run);
    const { seq } = chain;
    const { text, hash } = renderCallLine(entry, chain);
    writer.write(`${text}\n`);
    chain.seq += 1;
    chain.previous = hash;
    if (report === undefined || entry.run === undefined) return;
    chain.summary.add({ ...entry, count: entry.count ?? 1, seq, hash, permissions });
    if (entry.outcome === 'refused') chains.scheduleReport(chain);
  };
  const flush = (): void => {
    cancelFlush?.();
    cancelFlush = undefined;
    merged.take().forEach(append);
  };
  const flushLater = (): void => {
    cancelFlush ??= schedule(MERGE_MS, () => {
      cancelFlush = undefined;
      if (writer.accepts()) flush();
      else flushLater();
    });
  };
  return {
    record: (call) => {
      const prepared = prepareCall(call, { at: clock.now(), show });
      if (!writer.isBlocked() && !isOverRate()) append(prepared);
      else {
        merged.add(prepared);
        flushLater();
      }
    },
    endRun: (run) => {
      if (writer.accepts()) flush();
      ending.add(run);
      // A run whose only call is cut by its end has no chain before the line of that call.
      schedule(END_DELAY_MS, () => endChain(run));
    },
    isBlocked: writer.isBlocked,
    close: () => {
      flush();
      for (const run of [...ending]) endChain(run);
      chains.forgetAll();
    },
  };
};

/** Whether more lines than the limit were counted in the current second. */
const createRateCheck = (limit: number, { monotonic }: Pick<Clock, 'monotonic'>) => {
  let startedAt = -Infinity;
  let lines = 0;
  return (): boolean => {
    if (monotonic() - startedAt >= MERGE_MS) {
      startedAt = monotonic();
      lines = 0;
    }
    lines += 1;
    return lines > limit;
  };
};

const prepareCall = (
  call: EndedCall,
  { at, show }: { readonly at: number; readonly show: (resource: string) => string },
): PreparedCall => {
  const { permissions, operation, outcome } = call;
  const resources = permissions.flatMap((each) => getResource(each) ?? []);
  const entry: CallEntry = {
    at,
    run: call.run,
    task: call.task,
    consumer: call.consumer,
    id: call.id,
    operation: operation && `${operation.service}.${operation.name}`,
    actions: listUnique(permissions.map(({ action }) => action)),
    resources: listUnique(resources).map(show),
    resolved: call.isResolved ?? false,
    outcome,
    code: call.code,
    status: call.status,
    in: toCount(call.bytesIn),
    out: toCount(call.bytesOut),
    ms: toCount(call.ms),
  };
  const shorten = outcome === 'refused' ? show : (resource: string) => show(cutResource(resource));
  return { entry, permissions: permissions.map((each) => toUsedPermission(each, shorten)) };
};

/** Where no request says the whole name, a pattern that holds it. */
const getResource = ({ resource, within = resource }: Permission): string | undefined => within;

const toUsedPermission = (
  permission: Permission,
  show: (resource: string) => string,
): UsedPermission => {
  const resource = getResource(permission);
  return { action: permission.action, ...(resource !== undefined && { resource: show(resource) }) };
};

const listUnique = (texts: readonly string[]): readonly string[] => [...new Set(texts)];

const hashResource = (resource: string): string => `sha256:${computeSha256(resource)}`;
