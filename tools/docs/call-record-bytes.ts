import { MAX_USED } from '../../lib/audit/call-head.ts';
import type { AuditEvent } from '../../lib/audit/audit-event.ts';
import { linkRecord, NOTHING_BEFORE } from '../../lib/audit/chain.ts';
import { buildEventAttributes } from '../../lib/audit/ocsf.ts';
import { createCallJournal, type CallReport } from '../../lib/calls/journal.ts';

export type CallRecordBytes = {
  /** Of a line of one call on the sidecar's standard output, with its line break. */
  readonly line: number;
  /** Of the authority's record `run.calls` of a run, with its line break. */
  readonly record: number;
};

const AT = Date.parse('2026-06-01T12:00:00Z');
const RUN = 'r'.repeat(32);
const UUID = '0b4f0d5e-0000-4000-8000-000000000000';

/**
 * Measures a line of the journal of calls and the record of a run, as the sidecar and the authority write them: of
 * a run that read objects of as many folders as a record lists, and was refused nothing.
 */
export const measureCallRecords = (): CallRecordBytes => {
  const { lines, report } = writeJournal();
  const event: AuditEvent = {
    ...{ kind: 'run.calls', at: AT, requestId: UUID, run: report.run, calls: report.calls },
    actor: {
      ...{ namespace: 'research', serviceAccount: 'agent', consumer: 'agent' },
      ...{ pod: 'summary-29312640-x7k2p', podUid: UUID },
    },
    ...{ task: 'summarize', deadline: AT + 600_000 },
    decision: { outcome: 'allow', policies: ['starter'], version: '0'.repeat(16) },
  };
  const place = { id: 'valetkey-authority-0.a1b2c3d4', sequence: 100_000 };
  const { line: record } = linkRecord(buildEventAttributes(event, '0.1.0'), {
    ...{ ...place, previous: NOTHING_BEFORE },
  });
  return {
    line: Buffer.byteLength(lines.join('')) / lines.length,
    record: Buffer.byteLength(record) + 1,
  };
};

/** @throws Error if the journal reports no head of the run */
const writeJournal = (): { readonly lines: readonly string[]; readonly report: CallReport } => {
  const lines: string[] = [];
  const reports: CallReport[] = [];
  const journal = createCallJournal(
    { journalLinesPerSecond: 2 * MAX_USED, journalResources: 'full' },
    {
      write: (text, done) => {
        lines.push(text);
        done();
      },
      clock: { now: () => AT, monotonic: () => 0 },
      schedule: () => () => undefined,
      report: (head) => void reports.push(head),
    },
  );
  for (let call = 0; call < MAX_USED; call += 1) {
    const resource = `arn:aws:s3:::acme-data/customer-${String(call).padStart(6, '0')}/2026-06.csv`;
    journal.record({
      ...{ id: UUID, consumer: 'agent', task: 'summarize', run: RUN },
      operation: { service: 's3', name: 'GetObject' },
      permissions: [{ action: 's3:GetObject', resource }],
      ...{ isResolved: true, outcome: 'allowed', status: 200 },
      ...{ bytesIn: 1_200, bytesOut: 65_536, ms: 42, overheadMs: 1 },
    });
  }
  journal.close();
  const [report] = reports;
  if (report === undefined) throw new Error('the journal: expected the head of a run, got none');
  return { lines, report };
};
