import { describe, expect, it } from '@jest/globals';

import { buildCallSteps } from './call-steps.ts';
import { readCallLine, type CallEntry, type CallLine } from './call-line.ts';
import { computeSha256 } from './chain.ts';
import type { CloudCall } from './cloud-log.ts';
import { buildCallEntry, callStartedAt, chainCalls } from './fixtures/call-lines.ts';

const buildCalls = (...entries: readonly Partial<CallEntry>[]): readonly CallLine[] =>
  chainCalls(entries.map(buildCallEntry)).lines.flatMap((text) => {
    const reading = readCallLine(text.trimEnd());
    return reading.kind === 'call' ? [reading.line] : [];
  });

const buildCloudCall = (members: Partial<CloudCall> = {}): CloudCall => ({
  at: callStartedAt + 1_000,
  ...{ session: 'agent-7@run-1', operation: 'get_obj', target: 'acme/a.txt' },
  ...{ outcome: '200', from: '10.0.0.7' },
  ...members,
});

const renderSteps = (...given: Parameters<typeof buildCallSteps>) =>
  buildCallSteps(...given).map((group) => group.map(({ kind, text }) => `${kind}: ${text}`));

describe('buildCallSteps', () => {
  it('joins a call with the nearest line of the cloud for the same object', () => {
    const near = buildCloudCall({ at: callStartedAt + 2_500, from: 'near' });
    const far = buildCloudCall({ at: callStartedAt + 30_000, from: 'far' });
    const [first, second] = renderSteps(
      buildCalls({}, { at: callStartedAt + 29_000, outcome: 'cut', code: 'run_revoked' }),
      [far, near],
    );
    expect(first?.[1]).toBe('cloud call: get_obj acme/a.txt: 200, from near');
    expect(second?.[0]).toContain('cut run_revoked, status 200');
    expect(second?.[1]).toContain('from far');
  });

  it.each<readonly [string, Partial<CallEntry>, Partial<CloudCall>]>([
    ['an encoded path', { resources: ['arn:aws:s3:::acme/a b'] }, { target: 'acme/a%20b' }],
    [
      'a hashed resource',
      { resources: [`sha256:${computeSha256('arn:aws:s3:::acme/a.txt')}`] },
      {},
    ],
    [
      'the bucket of deleted objects',
      { operation: 's3.DeleteObjects', resources: ['arn:aws:s3:::acme/x', 'arn:aws:s3:::acme/y'] },
      { operation: 'multi_object_delete', target: 'acme' },
    ],
    [
      'the operation of another service',
      { operation: 'dynamodb.GetItem', resources: [] },
      { operation: 'GetItem', target: 'dynamodb.amazonaws.com' },
    ],
  ])('recognizes %s', (_, entry, cloudCall) => {
    expect(renderSteps(buildCalls(entry), [buildCloudCall(cloudCall)])).toHaveLength(1);
  });

  it('marks what only one of the two logs has', () => {
    const steps = renderSteps(buildCalls({ resources: ['arn:aws:s3:::acme/other'] }), [
      buildCloudCall(),
    ]);
    expect(steps[0]?.[0]).toMatch(/12 ms; not in the log of the cloud$/);
    expect(steps[1]?.[0]).toMatch(/10\.0\.0\.7; not in the journal of the gateway$/);
  });

  it('joins no refused call, no other object and no call of another hour', () => {
    const cases: readonly Partial<CallEntry>[] = [
      { outcome: 'refused', code: 'resource_outside' },
      { resources: ['arn:aws:s3:::acme/a.txt2'] },
      { at: callStartedAt + 3_600_000 },
    ];
    for (const entry of cases) {
      expect(renderSteps(buildCalls(entry), [buildCloudCall()])).toHaveLength(2);
    }
  });

  it('marks nothing if a line states several calls, or if one log is absent', () => {
    const merged = buildCalls({ count: 7, resources: [], resources_sha256: 'ab'.repeat(32) });
    const [several, cloud] = renderSteps(merged, [buildCloudCall()]);
    expect(several?.[0]).toMatch(
      /^call: 7 calls s3\.GetObject \(s3:GetObject\): allowed, .* 12 ms$/,
    );
    expect([cloud?.[0], renderSteps([], [buildCloudCall()])[0]?.[0]]).toEqual([
      ...Array<string>(2).fill('cloud call: get_obj acme/a.txt: 200, from 10.0.0.7'),
    ]);
  });
});
