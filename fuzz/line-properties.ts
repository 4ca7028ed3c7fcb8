import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import {
  createAuditFile,
  publicKeys,
  createRecordedFile,
} from '../lib/audit/fixtures/recording.ts';
import { verifyChain } from '../lib/audit/verify.ts';
import type { StreamLine } from '../lib/contract/authority-api.ts';
import { ExchangeError } from '../lib/contract/exchange.ts';
import { createImmediateExchange, buildTask } from '../lib/runs/fixtures/fake-exchange.ts';
import { createFakeTime } from '../lib/runs/fixtures/fake-time.ts';
import { createRunRegistry } from '../lib/runs/run-registry.ts';
import type { Connection } from '../lib/edge/authority/connection.ts';
import { createEventStream } from '../lib/edge/authority/event-stream.ts';
import { anyChange, anyJson, applyChange, type Change } from './pod-arbitraries.ts';
import { createProperty, type Property } from './property.ts';

const recorded = createRecordedFile(12);

const junk = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  anyJson.map((value) => Buffer.from(JSON.stringify(value))),
  fc.nat({ max: 5_000 }).map((depth) => Buffer.from('['.repeat(depth) + ']'.repeat(depth))),
  fc
    .constantFrom('', '\r', '{}', 'null', '{"metadata":{"sequence":0},"unmapped":{}}')
    .map((text) => Buffer.from(text)),
);

type Edit =
  | { readonly kind: 'junk'; readonly at: number; readonly line: Buffer }
  | { readonly kind: 'change'; readonly at: number; readonly change: Change };

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('junk' as const), at: fc.nat(), line: junk }),
  fc.record({ kind: fc.constant('change' as const), at: fc.nat(), change: anyChange }),
);

const applyEdit = (lines: readonly Buffer[], one: Edit): readonly Buffer[] => {
  const at = one.at % (lines.length + 1);
  if (one.kind === 'junk') return [...lines.slice(0, at), one.line, ...lines.slice(at)];
  return lines.map((line, index) => (index === at ? changeLine(line, one.change) : line));
};

const changeLine = (line: Buffer, change: Change): Buffer => {
  try {
    return Buffer.from(JSON.stringify(applyChange(JSON.parse(line.toString()), change).value));
  } catch {
    return line;
  }
};

const NEWLINE = Buffer.from('\n');

const joinLines = (lines: readonly Buffer[]): Buffer =>
  Buffer.concat(lines.flatMap((line) => [line, NEWLINE]));

const verifiesAnyLine = createProperty(
  'any line among records: a report, and never a whole chain that is not',
  {
    runs: 250,
    inputs: fc.array(edit, { minLength: 1, maxLength: 3 }),
    holds: async (edits) => {
      const { text, head } = await recorded;
      const before = text
        .trimEnd()
        .split('\n')
        .map((line) => Buffer.from(line));
      const after = joinLines(edits.reduce<readonly Buffer[]>(applyEdit, before));
      const settings = { publicKeys, heads: { replica: head } };
      const report = await verifyChain([createAuditFile(after)], settings);
      const isSame = after.equals(joinLines(before));
      assert.ok(isSame || !report.isWhole, 'an edited file is called whole');
      assert.ok(report.isWhole === (report.faultCount === 0));
    },
  },
);

const streamed = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<unknown>({ type: 'heartbeat' }, { type: 'reconnect' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('revocations'),
      active: fc.array(
        fc.record(
          {
            name: fc.string({ maxLength: 300 }),
            reason: fc.string({ unit: 'binary', maxLength: 50 }),
            run: fc.oneof(fc.constant('run-1'), fc.string()),
            task: fc.oneof(fc.constant('summarize'), anyJson),
          },
          { requiredKeys: ['name', 'reason'] },
        ),
        { maxLength: 4 },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.dictionary(fc.constantFrom('type', 'active', '__proto__'), anyJson) },
);

const bytes = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: streamed.map((line) => Buffer.from(`${JSON.stringify(line)}\n`)) },
      { weight: 1, arbitrary: junk },
      { weight: 1, arbitrary: fc.constant(NEWLINE) },
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts));

/** The same bytes, cut elsewhere. */
const splitChunks = (whole: Buffer, size: number): readonly Buffer[] =>
  Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
    whole.subarray(index * size, (index + 1) * size),
  );

const LINE_TYPES: readonly StreamLine['type'][] = ['heartbeat', 'revocations', 'reconnect'];

const readsAnyStreamLine = createProperty(
  'any NDJSON of an authority: lines that are understood, or an end with a code',
  {
    runs: 400,
    inputs: fc.tuple(bytes, fc.integer({ min: 1, max: 50 })),
    holds: async ([whole, size]) => {
      const time = createFakeTime();
      const { exchange } = createImmediateExchange(time.clock);
      const observer = { started: () => undefined, ended: () => undefined };
      const registry = createRunRegistry({ exchange, ...time, observer });
      const params = {};
      await registry.startExplicitRun({ consumer: 'agent', task: buildTask(), params });
      const answer = Object.assign(Readable.from(splitChunks(whole, size)), { statusCode: 200 });
      const connection: Pick<Connection, 'stream'> = {
        stream: () => Promise.resolve(answer as unknown as IncomingMessage),
      };
      const onLine = (line: StreamLine): void => {
        assert.ok(LINE_TYPES.includes(line.type));
        if (line.type === 'revocations') registry.revoke(line.active);
      };
      const { signal } = new AbortController();
      try {
        await createEventStream(connection as Connection)(
          { token: 'a.b.c', followed: [] },
          onLine,
          signal,
        );
      } catch (error) {
        assert.ok(error instanceof ExchangeError, String(error));
        assert.equal(error.code, 'stream_malformed');
        assert.equal(error.kind, 'unavailable');
      }
    },
  },
);

export const lineProperties: readonly Property[] = [verifiesAnyLine, readsAnyStreamLine];
