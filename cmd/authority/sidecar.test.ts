import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { verifyCalls } from '../../lib/audit/call-verification.ts';
import { createAuditFile } from '../../lib/audit/fixtures/recording.ts';
import { createCallJournal, type CallReport } from '../../lib/calls/journal.ts';
import type { Task } from '../../lib/contract/task.ts';
import { createAuthorityExchange } from '../../lib/edge/authority/authority-exchange.ts';
import { createConnection } from '../../lib/edge/authority/connection.ts';
import { createCallRecordSender } from '../../lib/edge/authority/run-reports.ts';
import { createEndReportSender } from '../../lib/edge/authority/run-reports.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  PATHS,
  buildPlatformText,
  putPolicy,
  startAuthorityHarness,
  type AuthorityHarness,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const ROLE = 'arn:aws:iam::111122223333:role/agent-reports';
const task = { name: 'summarize', provider: 'aws', params: {}, role: ROLE } as Task;

/** The client of the sidecar, against a real authority. */
const connectSidecar = async (platform: string) => {
  const local = platform.replaceAll(/https:\/\/valetkey-authority[^\n]*/g, 'https://localhost');
  const replica = await harness.start(harness.configure({}, local));
  await replica.waitUntilReady();
  const { 'ca-bundle.pem': roots = '' } = harness.api.get(PATHS.trustBundle)?.['data'] as Record<
    string,
    string
  >;
  const endpoint = `https://localhost:${replica.authority.ports().https}`;
  const connection = createConnection({ endpoint, roots });
  const token = await harness.podToken();
  const readToken = (): string => token;
  const exchange = createAuthorityExchange({
    connection,
    readToken,
    clock: { now: Date.now, monotonic: () => performance.now() },
    random: () => 0,
    pause: () => Promise.resolve(),
    reportSkew: () => undefined,
    onContact: () => undefined,
  });
  return {
    exchange,
    end: createEndReportSender(connection, readToken),
    reportCalls: createCallRecordSender(connection, readToken),
  };
};

const request = { consumer: 'agent', task, params: {} };
const signal = new AbortController().signal;

describe('a sidecar', () => {
  it('exchanges tokens, receives the reason of a refusal, and ends its runs', async () => {
    const { exchange, end } = await connectSidecar(buildPlatformText(harness.sts.port));
    const issued = await exchange(request, signal);
    expect(issued).toMatchObject({ credentials: { accessKeyId: 'ASIA1' } });
    expect(issued.deadline).toBeGreaterThan(Date.now() + 590_000);
    await end({ run: issued.run, end: 'completed' });
    expect(harness.records().at(-1)).toMatchObject({ unmapped: { kind: 'run.ended' } });

    putPolicy(harness.api, '@id("stop") forbid (principal, action, resource);');
    const refused = await waitUntil(async () =>
      exchange(request, signal).then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
    expect(refused).toMatchObject({ kind: 'refused', code: 'policy_denied' });
  });

  it('reports heads of its journal that verify its lines, with long names in every list', async () => {
    const { exchange, reportCalls } = await connectSidecar(buildPlatformText(harness.sts.port));
    const { run } = await exchange(request, signal);
    const lines: string[] = [];
    const reports: CallReport[] = [];
    const journal = createCallJournal(
      { journalLinesPerSecond: 1_000, journalResources: 'full' },
      {
        write: (text) => void lines.push(text),
        clock: { now: Date.now, monotonic: () => 0 },
        schedule: () => () => undefined,
        report: (report) => void reports.push(report),
      },
    );
    for (let at = 0; at < 200; at += 1) {
      const resource = `arn:aws:s3:::bucket-${at}/${'\u4e2d'.repeat(300)}/x`;
      journal.record({
        ...{ id: `${at}`, consumer: 'agent', task: 'summarize', run, isResolved: true },
        overheadMs: 1,
        operation: { service: 's3', name: `${'Get'.repeat(30)}${at}` },
        permissions: [{ action: `s3:${'Get'.repeat(30)}${at}`, resource }],
        outcome: at % 2 === 0 ? 'allowed' : 'refused',
        ...{ code: 'resource_outside', status: 403, bytesIn: 0, bytesOut: 1, ms: 1 },
      });
    }
    journal.close();
    for (const report of reports) await reportCalls(report);
    const [record, ...others] = harness
      .records()
      .filter(({ unmapped }) => unmapped.kind === 'run.calls');
    expect(others).toEqual([]);
    expect(Buffer.byteLength(JSON.stringify(record))).toBeLessThan(16 * 1024);
    const { to, hash } = record?.unmapped['calls'] as { to: number; hash: string };
    const { faults, unverified } = await verifyCalls([createAuditFile(lines.join(''))], {
      heads: [{ run, to, hash, file: 'audit.jsonl', line: 1 }],
    });
    expect([to, faults, unverified]).toEqual([199, [], []]);
  });

  it('publishes a Revocation when it ends a run of a role that opts in', async () => {
    const denyList = `  denyList: {revokerRole: "${ROLE}-revoker", roles: ["${ROLE}"], iamEndpoint: "http://127.0.0.1:${harness.sts.port}"}`;
    const { exchange, end } = await connectSidecar(buildPlatformText(harness.sts.port, denyList));
    const { run } = await exchange(request, signal);
    await end({ run, end: 'completed' });
    const path = harness.api.requests.find((one) => one.startsWith(`POST ${PATHS.revocations}`));
    expect(path).toBeDefined();
    const created = await waitUntil(() => {
      const found = harness.api.get(`${PATHS.revocations}/${harness.api.lastCreated()}`);
      return found ?? undefined;
    });
    expect(created['spec']).toMatchObject({ run, reason: 'completed' });
  });
});
