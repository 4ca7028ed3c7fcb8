import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { createAuditFile } from '../audit/fixtures/recording.ts';
import { MAX_CALL_LINE_BYTES, readCallLine, type CallLine } from '../audit/call-line.ts';
import { verifyCalls } from '../audit/call-verification.ts';
import { computeSha256, NOTHING_BEFORE } from '../audit/chain.ts';
import { createFakeTime } from '../runs/fixtures/fake-time.ts';
import { CALL_OUTCOMES } from '../contract/authority-api.ts';
import type { EndedCall } from './ended-call.ts';
import { createCallJournal, type CallReport } from './journal.ts';
import type { WriteText } from './line-writer.ts';

const OBJECT = 'arn:aws:s3:::acme-data/reports/2026/may.csv';
const call: EndedCall = {
  ...{ id: 'req-1', consumer: 'agent', task: 'summarize', run: 'run-1' },
  operation: { service: 's3', name: 'GetObject' },
  permissions: [{ action: 's3:GetObject', resource: OBJECT }],
  isResolved: true,
  ...{ outcome: 'allowed', status: 200, bytesIn: 0, bytesOut: 512, ms: 12 },
  overheadMs: 1,
};
const refused: EndedCall = {
  ...call,
  ...{ outcome: 'refused', code: 'resource_outside', status: 403, bytesOut: 100 },
};

type Settings = Partial<Parameters<typeof createCallJournal>[0]>;

const setUp = (settings: Settings = {}, hasAuthority = true) => {
  const time = createFakeTime();
  const written: string[] = [];
  const waiting: Parameters<WriteText>[1][] = [];
  const reports: CallReport[] = [];
  const state = { isRead: true };
  const journal = createCallJournal(
    { journalLinesPerSecond: 200, journalResources: 'full', ...settings },
    {
      ...time,
      write: (text, done) => {
        written.push(text);
        if (state.isRead) done();
        else waiting.push(done);
      },
      ...(hasAuthority && { report: (report) => reports.push(report) }),
    },
  );
  /** The reader of standard output takes all that waits. */
  const readAll = (error?: Error): void => {
    state.isRead = true;
    for (const done of waiting.splice(0)) done(error);
  };
  const lines = (): readonly CallLine[] =>
    written.map((text) => {
      const reading = readCallLine(text.slice(0, -1));
      if (reading.kind !== 'call') throw new Error(`not a call: ${text}`);
      return reading.line;
    });
  return { ...{ time, written, reports, state, journal, lines, readAll } };
};

const verify = (text: string | Uint8Array, more: object = {}) =>
  verifyCalls([createAuditFile(text)], { heads: [], ...more });

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 2_000 }),
  fc.constantFrom('\n{"kind":"call"}', '\u202eevil\u2066', '\ud800', '"\\'.repeat(900), '\0'),
);
const anyCall: fc.Arbitrary<EndedCall> = fc.record(
  {
    id: text,
    consumer: text,
    task: text,
    run: fc.oneof(text, fc.constantFrom('run-1', 'run-2')),
    operation: fc.record({ service: text, name: text }),
    permissions: fc.array(
      fc.record({ action: text, resource: text }, { requiredKeys: ['action'] }),
      { maxLength: 50 },
    ),
    isResolved: fc.boolean(),
    outcome: fc.constantFrom(...CALL_OUTCOMES),
    code: text,
    status: fc.double(),
    bytesIn: fc.double(),
    bytesOut: fc.double(),
    ms: fc.double(),
    overheadMs: fc.double(),
  },
  {
    requiredKeys: [
      ...(['id', 'permissions', 'outcome', 'bytesIn', 'bytesOut', 'ms', 'overheadMs'] as const),
    ],
  },
);

describe('createCallJournal', () => {
  it('shows the pattern of a resource that the request does not name whole', () => {
    const { journal, lines } = setUp();
    const within = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:db-??????';
    journal.record({
      ...call,
      isResolved: false,
      permissions: [{ action: 'secretsmanager:GetSecretValue', within }],
    });
    expect(lines()[0]).toMatchObject({ resources: [within], resolved: false });
  });

  it('writes each call as one line of canonical JSON', () => {
    const { journal, lines, written } = setUp();
    journal.record(call);
    expect(lines()).toEqual([
      {
        ...{ kind: 'call', at: Date.parse('2026-01-01T00:00:00Z'), run: 'run-1', seq: 0 },
        ...{ task: 'summarize', consumer: 'agent', id: 'req-1', operation: 's3.GetObject' },
        ...{ actions: ['s3:GetObject'], resources: [OBJECT], resolved: true },
        ...{ outcome: 'allowed', status: 200, in: 0, out: 512, ms: 12 },
        ...{ previous: '0'.repeat(64), hash: expect.any(String) },
      },
    ]);
    expect(written[0]).toMatch(/^\{"actions":\["s3:GetObject"\],"at":.*\}\n$/);
  });

  it('writes any call as one line of at most 4 KiB that parses, in a chain that verifies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyCall, { minLength: 1, maxLength: 8 }), async (calls) => {
        const { journal, written } = setUp();
        calls.forEach(journal.record);
        for (const line of written) {
          expect(Buffer.byteLength(line)).toBeLessThanOrEqual(MAX_CALL_LINE_BYTES);
          expect(line.indexOf('\n')).toBe(line.length - 1);
          expect(line).not.toMatch(/[\p{Cf}\p{Cs}\u2028\u2029]/u);
          expect(JSON.parse(line)).toMatchObject({ kind: 'call' });
        }
        const { faults, runs } = await verify(written.join(''));
        expect([faults, written.length]).toEqual([[], calls.length]);
        const attributed = calls.filter(({ run }) => run !== undefined);
        expect(runs.reduce((sum, { lines }) => sum + lines, 0)).toBe(attributed.length);
      }),
    );
  });

  it('makes each changed byte of a journal detectable', async () => {
    const { journal, written } = setUp();
    for (const outcome of CALL_OUTCOMES) journal.record({ ...call, outcome });
    journal.record({ ...call, run: undefined, permissions: [] });
    const whole = Buffer.from(written.join(''));
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: whole.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const changed = Buffer.from(whole);
          changed[at] = (whole[at] ?? 0) ^ change;
          expect((await verify(changed)).faultCount).toBeGreaterThan(0);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('writes no message, body, header or key that the caller adds by mistake', () => {
    const { journal, written } = setUp();
    const leaky = { ...call, body: 'BODY', headers: { authorization: 'KEY' }, message: 'TEXT' };
    journal.record(leaky);
    expect(written.join('')).not.toMatch(/BODY|KEY|TEXT|headers|message/);
    journal.record({
      ...call,
      permissions: [{ action: 's3:GetObject', resource: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.x' }],
    });
    expect(written.at(-1)).not.toContain('eyJ');
  });

  it('chains the lines of each run, and of requests without a run, by themselves', () => {
    const { journal, lines } = setUp();
    for (const run of ['a', 'b', undefined, 'a', undefined]) journal.record({ ...call, run });
    expect(lines().map(({ run, seq }) => [run, seq])).toEqual([
      ...[
        ['a', 0],
        ['b', 0],
        [undefined, 0],
        ['a', 1],
        [undefined, 1],
      ],
    ]);
    expect(lines()[3]?.previous).toBe(lines()[0]?.hash);
  });

  it('writes SHA-256 of resources if the platform asks for it, in lines and in heads', () => {
    const { journal, lines, written, reports } = setUp({ journalResources: 'hashed' });
    journal.record(call);
    journal.record(refused);
    journal.close();
    expect(lines()[0]?.resources).toEqual([`sha256:${computeSha256(OBJECT)}`]);
    expect(written.join('') + JSON.stringify(reports)).not.toContain('acme-data');
  });

  it('merges equal calls above the rate, per second, run, operation, outcome and code', async () => {
    const { journal, lines, time, written } = setUp({ journalLinesPerSecond: 2 });
    for (let at = 0; at < 5; at += 1) {
      journal.record({
        ...call,
        permissions: [{ action: 's3:GetObject', resource: `${OBJECT}${at}` }],
      });
    }
    journal.record({ ...call, run: 'run-2' });
    journal.record(refused);
    journal.record(refused);
    expect(lines()).toHaveLength(2);
    await time.advance(1_000);
    expect(lines().slice(2)).toMatchObject([
      {
        ...{ run: 'run-1', count: 3, in: 0, out: 3 * 512, ms: 12, operation: 's3.GetObject' },
        ...{ actions: ['s3:GetObject'], resources: [], outcome: 'allowed', status: 200 },
        resources_sha256: computeSha256([2, 3, 4].map((at) => `${OBJECT}${at}\n`).join('')),
      },
      { run: 'run-2', resources: [OBJECT] },
      { run: 'run-1', count: 2, outcome: 'refused', code: 'resource_outside' },
    ]);
    journal.record(call);
    expect(lines().at(-1)).toMatchObject({ seq: 4, resources: [OBJECT] });
    expect((await verify(written.join(''))).faults).toEqual([]);
  });

  it('never states more bytes than JSON can hold, also in sums', async () => {
    const { journal, lines, time, reports } = setUp({ journalLinesPerSecond: 0 });
    for (let at = 0; at < 3; at += 1) journal.record({ ...call, bytesOut: Infinity, bytesIn: NaN });
    await time.advance(1_000);
    journal.close();
    expect([lines()[0]?.out, reports[0]?.calls.bytesOut, lines()[0]?.in]).toEqual([
      ...[Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 0],
    ]);
  });

  it('holds a bounded number of merged lines, whatever operations are called', async () => {
    const { journal, lines, time } = setUp({ journalLinesPerSecond: 1 });
    for (let at = 0; at < 2_000; at += 1) {
      journal.record({ ...call, operation: { service: 's3', name: `Operation${at}` } });
    }
    await time.advance(1_000);
    expect(lines().length).toBeLessThan(300);
    expect(lines().reduce((sum, { count = 1 }) => sum + count, 0)).toBe(2_000);
  });
});

describe('createCallJournal with a blocked output', () => {
  it('is blocked when a line waits for two seconds, until the output is read', async () => {
    const { journal, state, time, readAll, lines } = setUp();
    state.isRead = false;
    journal.record(call);
    await time.advance(1_999);
    expect(journal.isBlocked()).toBe(false);
    await time.advance(1);
    expect(journal.isBlocked()).toBe(true);
    journal.record({ ...refused, code: 'audit_unavailable' });
    expect(lines()).toHaveLength(1);
    readAll();
    expect(journal.isBlocked()).toBe(false);
    await time.advance(1_000);
    expect(lines()[1]).toMatchObject({ code: 'audit_unavailable', seq: 1 });
  });

  it('is blocked at 256 KiB, and writes no more than that and what it merged', async () => {
    const { journal, state, time, written } = setUp({ journalLinesPerSecond: 1e9 });
    state.isRead = false;
    for (let at = 0; at < 2_000; at += 1) journal.record(call);
    await time.advance(10_000);
    const bytes = written.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
    expect(bytes).toBeGreaterThanOrEqual(256 * 1024);
    expect(bytes).toBeLessThan(256 * 1024 + MAX_CALL_LINE_BYTES);
    expect(journal.isBlocked()).toBe(true);
  });

  it('is blocked after a line was lost, until another one is written', async () => {
    const { journal, state, time, readAll } = setUp();
    state.isRead = false;
    journal.record(call);
    readAll(new Error('EPIPE'));
    expect(journal.isBlocked()).toBe(true);
    journal.record(call);
    await time.advance(1_000);
    expect(journal.isBlocked()).toBe(false);
  });
});

describe('createCallJournal with an authority', () => {
  it.each([
    ['https://api.example/v1/models', 'https://api.example/v1/'],
    ['https://api.example:8443/v4/projects/7/notes', 'https://api.example:8443/v4/'],
    ['http://api.example/v1', 'http://api.example/v1'],
    ['https://api.example/v1/', 'https://api.example/v1/'],
    ['https://api.example/', 'https://api.example/'],
    ['mcp://wiki/tools/search', 'mcp://wiki/tools/search'],
    ['mcp://wiki/resources/file:///docs/7/a.md', 'mcp://wiki/resources/file:///docs/'],
    ['mcp://wiki/resources/https://a.example/b/c', 'mcp://wiki/resources/https://a.example/b/'],
    ['mcp://wiki/resources/note', 'mcp://wiki/resources/note'],
  ])(
    'reports of %s the origin and the first folder, if it has one',
    async (resource, beginning) => {
      const { journal, time, reports } = setUp();
      journal.record({ ...call, permissions: [{ action: 'http:GET', resource }] });
      journal.endRun('run-1');
      await time.advance(1_000);
      expect(reports[0]?.calls.used).toEqual([{ action: 'http:GET', resource: beginning }]);
    },
  );

  it('reports the head of a run after it ended, with the calls that its end cut', async () => {
    const { journal, time, reports, lines } = setUp();
    journal.record(call);
    await time.advance(5_000);
    expect(reports).toEqual([]);
    journal.endRun('run-1');
    await time.advance(500);
    journal.record({ ...call, outcome: 'cut', code: 'run_revoked' });
    await time.advance(500);
    expect(reports).toEqual([
      {
        run: 'run-1',
        calls: {
          ...{ from: 0, to: 1, hash: lines()[1]?.hash, bytesIn: 0, bytesOut: 1024 },
          ...{ startedAt: lines()[0]?.at, endedAt: lines()[1]?.at, refusals: [] },
          counts: { allowed: 1, refused: 0, failed: 0, cut: 1 },
          used: [{ action: 's3:GetObject', resource: 'arn:aws:s3:::acme-data/reports/' }],
          omitted: { refusals: 0, used: 0 },
        },
      },
    ]);
    await time.advance(60_000);
    expect(reports).toHaveLength(1);
    expect(time.timers()).toBe(0);
  });

  it('reports the head of a run whose only call was cut by its end', async () => {
    const { journal, time, reports } = setUp();
    journal.endRun('run-1');
    journal.record({ ...call, outcome: 'cut', code: 'run_revoked' });
    await time.advance(1_000);
    const counts = { allowed: 0, refused: 0, failed: 0, cut: 1 };
    expect(reports).toMatchObject([{ run: 'run-1', calls: { from: 0, to: 0, counts } }]);
    await time.advance(60_000);
    expect(reports).toHaveLength(1);
    expect(time.timers()).toBe(0);
  });

  it('reports the end of a run without calls, so that it is not taken for a lost report', async () => {
    const { journal, time, reports, written } = setUp();
    journal.endRun('run-1');
    await time.advance(1_000);
    const counts = { allowed: 0, refused: 0, failed: 0, cut: 0 };
    expect(reports).toMatchObject([
      { run: 'run-1', calls: { from: 0, to: 0, hash: NOTHING_BEFORE, counts, used: [] } },
    ]);
    journal.close();
    await time.advance(60_000);
    expect([reports.length, written, time.timers()]).toEqual([1, [], 0]);
  });

  it('reports the end of a run that made no call since its last head', async () => {
    const { journal, time, reports, lines, written } = setUp();
    journal.record(refused);
    await time.advance(5_000);
    journal.endRun('run-1');
    await time.advance(1_000);
    const last = { from: 0, to: 0, hash: lines()[0]?.hash };
    expect(reports.map(({ calls }) => calls)).toMatchObject([
      { ...last, counts: { refused: 1 } },
      { ...last, counts: { refused: 0 }, refusals: [] },
    ]);
    const heads = reports.map(({ run, calls }) => ({ run, ...calls, file: 'r', line: 1 }));
    expect((await verify(written.join(''), { heads })).faults).toEqual([]);
  });

  it('reports the ends of runs that ended just before it closes', async () => {
    const { journal, time, reports } = setUp();
    journal.endRun('run-1');
    journal.close();
    expect(reports.map(({ run }) => run)).toEqual(['run-1']);
    await time.advance(60_000);
    expect(reports).toHaveLength(1);
  });

  it('lists each permission of calls that share a line, however many calls used the first one', async () => {
    const { journal, time, reports } = setUp({ journalLinesPerSecond: 1 });
    for (let at = 0; at < 200; at += 1) journal.record(call);
    const other = { action: 's3:GetObject', resource: 'arn:aws:s3:::acme-data/drafts/a.csv' };
    journal.record({ ...call, permissions: [other] });
    await time.advance(1_000);
    journal.close();
    expect(reports[0]?.calls.used.map(({ resource }) => resource)).toEqual([
      'arn:aws:s3:::acme-data/reports/',
      'arn:aws:s3:::acme-data/drafts/',
    ]);
  });

  it('counts permissions of calls that share a line beyond those that a head lists', async () => {
    const { journal, time, reports } = setUp({ journalLinesPerSecond: 1 });
    for (let at = 0; at < 100; at += 1) {
      const permissions = [{ action: 's3:GetObject', resource: `arn:aws:s3:::bucket-${at}/a/b` }];
      journal.record({ ...call, permissions });
    }
    await time.advance(1_000);
    journal.close();
    const [calls] = reports.map((report) => report.calls);
    expect([calls?.used.length, calls?.omitted.used]).toEqual([64, expect.any(Number)]);
    expect(calls?.omitted.used).toBeGreaterThan(0);
  });

  it('reports refusals at most once a minute for each run', async () => {
    const { journal, time, reports } = setUp();
    for (let second = 0; second < 120; second += 1) {
      journal.record(refused);
      await time.advance(1_000);
    }
    expect(reports.map(({ calls }) => [calls.from, calls.to])).toEqual([
      ...[
        [0, 0],
        [1, 60],
      ],
    ]);
    expect(reports[1]?.calls.refusals).toEqual([
      {
        code: 'resource_outside',
        count: 60,
        operation: 's3.GetObject',
        action: 's3:GetObject',
        resource: OBJECT,
      },
    ]);
  });

  it('lists at most 20 refusals and 64 permissions in a head, and counts the rest', () => {
    const { journal, reports } = setUp({ journalLinesPerSecond: 1e9 });
    for (let at = 0; at < 100; at += 1) {
      const permissions = [{ action: 's3:PutObject', resource: `arn:aws:s3:::bucket-${at}/a/b` }];
      journal.record({ ...refused, permissions });
      journal.record({ ...call, permissions });
    }
    journal.close();
    const [calls] = reports.map((report) => report.calls);
    expect([calls?.refusals.length, calls?.used.length]).toEqual([20, 64]);
    expect(calls?.omitted).toEqual({ refusals: 80, used: 36 });
    expect(calls?.counts).toEqual({ allowed: 100, refused: 100, failed: 0, cut: 0 });
    expect(Buffer.byteLength(JSON.stringify(calls))).toBeLessThan(13_000);
  });

  it('reports heads of which each starts after the one before, and that the lines match', async () => {
    const { journal, time, reports, written } = setUp({ journalLinesPerSecond: 3 });
    for (let at = 0; at < 200; at += 1) {
      journal.record(at % 3 === 0 ? refused : call);
      await time.advance(700);
    }
    journal.close();
    const heads = reports.map(({ run, calls }) => ({ run, ...calls, file: 'r', line: 1 }));
    expect(heads.slice(1).map(({ from }) => from)).toEqual(
      heads.slice(0, -1).map(({ to }) => to + 1),
    );
    const { faults, unverified } = await verify(written.join(''), { heads });
    expect([faults, unverified]).toEqual([[], []]);
  });

  it('reports nothing without an authority, and keeps the chain', async () => {
    const { journal, time, reports, lines } = setUp({}, false);
    journal.record(refused);
    journal.record(call);
    await time.advance(120_000);
    journal.close();
    expect([reports, lines().map(({ seq }) => seq)]).toEqual([[], [0, 1]]);
  });
});
