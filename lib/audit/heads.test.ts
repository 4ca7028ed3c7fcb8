import { describe, expect, it } from '@jest/globals';

import { buildIntent, createMemorySink, createTestRecorder } from './fixtures/recording.ts';
import {
  createHeadPublisher,
  MAX_UNPUBLISHED_MS,
  readHead,
  renderHead,
  type Head,
} from './heads.ts';
import { AuditError } from './audit-event.ts';

const createPublishing = async (options: { readonly fails?: () => boolean } = {}) => {
  const { sink, state } = createMemorySink();
  const recorder = await createTestRecorder({ sinks: [sink] });
  const published: Head[] = [];
  const failures: unknown[] = [];
  const publish = (head: Head): Promise<void> => {
    if (options.fails?.() === true) return Promise.reject(new Error('no API server'));
    published.push(head);
    return Promise.resolve();
  };
  const failed = (error: unknown): unknown => failures.push(error);
  const time = { now: 0 };
  const monotonic = (): number => time.now;
  const publisher = createHeadPublisher({ recorder, publish, failed, monotonic });
  const { publishHead: round, isCurrent } = publisher;
  return { recorder, state, published, failures, time, round, isCurrent };
};

describe('createHeadPublisher', () => {
  it('seals new records and publishes their head once', async () => {
    const { recorder, published, round } = await createPublishing();
    expect(await round()).toBe(5_000);
    await recorder.record(buildIntent('run-1'));
    await round();
    await round();
    expect(published.map(({ sequence }) => sequence)).toEqual([0, 2]);
    expect(published.at(-1)).toEqual(recorder.head());
  });

  it('publishes an unchanged head again after a minute, which a restored cluster may lack', async () => {
    const { published, time, round } = await createPublishing();
    await round();
    time.now = 59_999;
    await round();
    expect(published).toHaveLength(1);
    time.now = 60_000;
    await round();
    expect(published).toEqual([published[0], published[0]]);
  });

  it('publishes the last sealed head while sealing fails', async () => {
    const { recorder, state, published, failures, round } = await createPublishing();
    await recorder.record(buildIntent('run-1'));
    state.failure = new AuditError('disk_full', 'full');
    expect(await round()).toBe(5_000);
    expect(published.map(({ sequence }) => sequence)).toEqual([0]);
    expect(failures).toEqual([state.failure]);
  });

  it('retries a failed publication', async () => {
    let isDown = true;
    const { published, failures, round } = await createPublishing({ fails: () => isDown });
    await round();
    isDown = false;
    await round();
    expect(failures).toHaveLength(1);
    expect(published.map(({ sequence }) => sequence)).toEqual([0]);
  });
});

describe('a published head', () => {
  it('is current only after the first publication, and for a minute after the last one', async () => {
    let isDown = true;
    const { recorder, time, round, isCurrent } = await createPublishing({ fails: () => isDown });
    await round();
    expect(isCurrent()).toBe(false);
    isDown = false;
    await round();
    expect(isCurrent()).toBe(true);
    isDown = true;
    await recorder.record(buildIntent('run-1'));
    time.now = MAX_UNPUBLISHED_MS;
    await round();
    expect(isCurrent()).toBe(true);
    time.now += 1;
    expect(isCurrent()).toBe(false);
    isDown = false;
    await round();
    expect(isCurrent()).toBe(true);
  });

  it('is not current while records cannot be sealed', async () => {
    const { recorder, state, time, round, isCurrent } = await createPublishing();
    await round();
    await recorder.record(buildIntent('run-1'));
    state.failure = new AuditError('disk_full', 'full');
    time.now = MAX_UNPUBLISHED_MS + 1;
    await round();
    expect(isCurrent()).toBe(false);
  });
});

describe('readHead', () => {
  const head: Head = { chain: 'valetkey-authority-0.x1', sequence: 7, hash: 'a'.repeat(64), at: 1 };

  it('reads the output of renderHead', () => {
    expect(readHead(renderHead(head), 'a')).toEqual({ ok: true, value: head });
  });

  it.each([
    ['text that is not JSON', 'x'],
    ['an invalid hash', renderHead({ ...head, hash: 'x' })],
    ['a negative sequence', renderHead({ ...head, sequence: -1 })],
    ['an unknown member', JSON.stringify({ ...head, more: 1 })],
  ])('of %s is refused, naming its source', (_, text) => {
    expect(readHead(text, 'valetkey-authority-0')).toMatchObject({
      ok: false,
      faults: [{ source: 'valetkey-authority-0' }],
    });
  });
});
