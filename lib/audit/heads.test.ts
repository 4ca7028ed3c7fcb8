import { describe, expect, test } from '@jest/globals';

import { buildIntent, createMemorySink, createTestRecorder } from './fixtures/recording.ts';
import { createHeadPublisher, readHead, renderHead, type Head } from './heads.ts';
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
  return {
    recorder,
    state,
    published,
    failures,
    round: createHeadPublisher({ recorder, publish, failed }),
  };
};

describe('a round of publishing', () => {
  test('seals what came since, and publishes that head once', async () => {
    const { recorder, published, round } = await createPublishing();
    expect(await round()).toBe(5_000);
    await recorder.record(buildIntent('run-1'));
    await round();
    await round();
    expect(published.map(({ sequence }) => sequence)).toEqual([0, 2]);
    expect(published.at(-1)).toEqual(recorder.head());
  });

  test('publishes the last head that holds while nothing can be sealed', async () => {
    const { recorder, state, published, failures, round } = await createPublishing();
    await recorder.record(buildIntent('run-1'));
    state.failure = new AuditError('disk_full', 'full');
    expect(await round()).toBe(5_000);
    expect(published.map(({ sequence }) => sequence)).toEqual([0]);
    expect(failures).toEqual([state.failure]);
  });

  test('tries again what could not be published', async () => {
    let isDown = true;
    const { published, failures, round } = await createPublishing({ fails: () => isDown });
    await round();
    isDown = false;
    await round();
    expect(failures).toHaveLength(1);
    expect(published.map(({ sequence }) => sequence)).toEqual([0]);
  });
});

describe('a head', () => {
  const head: Head = { chain: 'valetkey-authority-0.x1', sequence: 7, hash: 'a'.repeat(64), at: 1 };

  test('reads as it was rendered', () => {
    expect(readHead(renderHead(head), 'a')).toEqual({ ok: true, value: head });
  });

  test.each([
    ['no JSON', 'x'],
    ['a hash that is none', renderHead({ ...head, hash: 'x' })],
    ['a sequence below nothing', renderHead({ ...head, sequence: -1 })],
    ['more than it has', JSON.stringify({ ...head, more: 1 })],
  ])('of %s is refused, naming its source', (_, text) => {
    expect(readHead(text, 'valetkey-authority-0')).toMatchObject({
      ok: false,
      faults: [{ source: 'valetkey-authority-0' }],
    });
  });
});
