import { describe, expect, it } from '@jest/globals';

import type { ApiClient } from './api-client.ts';
import { readPodLog } from './pod-log.ts';

const now = Date.parse('2026-01-05T13:30:00Z');
const request = {
  ...{ namespace: 'valetkey', pod: 'valetkey-authority-0', container: 'authority' },
  ...{ windowSeconds: 3660, maxBytes: 1000, now },
};

/** A log whose lines are 100 bytes, one a second, since `startedAt`. */
const createLog = (startedAt: number) => {
  const paths: string[] = [];
  const calls: ApiClient = (_, { path, maxTextBytes }) => {
    paths.push(path);
    expect(maxTextBytes).toBeGreaterThan(0);
    const query = new URLSearchParams(path.split('?')[1]);
    const since = query.get('sinceSeconds');
    const from = since === null ? startedAt : Math.max(startedAt, now - Number(since) * 1000);
    const lines = Array.from({ length: Math.max(0, (now - from) / 1000) }, (_none, at) =>
      `${new Date(from + at * 1000).toISOString()} `.padEnd(99, 'x').concat('\n'),
    );
    return Promise.resolve(lines.join('').slice(0, Number(query.get('limitBytes'))));
  };
  return { calls, paths };
};

describe('readPodLog', () => {
  it('reads the window if the log began before it', async () => {
    const log = createLog(now - 10_000_000);
    const found = await readPodLog(log.calls, { ...request, maxBytes: 1_000_000 });
    expect(found.knownSince).toBe(now - 3_660_000);
    expect(found.text.split('\n')).toHaveLength(3661);
    expect(log.paths[0]).toBe(
      '/api/v1/namespaces/valetkey/pods/valetkey-authority-0/log?container=authority&limitBytes=1000000&sinceSeconds=3660',
    );
  });

  it('knows nothing before the first line of the file that the kubelet began', async () => {
    const { calls } = createLog(now - 5000);
    expect((await readPodLog(calls, request)).knownSince).toBe(now - 5000);
  });

  it('knows nothing while the file is empty', async () => {
    const { calls } = createLog(now);
    expect(await readPodLog(calls, request)).toEqual({ text: '', knownSince: now });
  });

  it('halves the window until the newest lines fit, and says since when it knows', async () => {
    const log = createLog(now - 10_000_000);
    const found = await readPodLog(log.calls, { ...request, maxBytes: 10_000 });
    expect(found.knownSince).toBe(now - 57_000);
    expect(found.text).toContain(new Date(now - 1000).toISOString());
    expect(log.paths.length).toBeLessThan(10);
  });

  it('claims nothing if not even seconds fit', async () => {
    const { calls } = createLog(now - 10_000_000);
    expect((await readPodLog(calls, { ...request, maxBytes: 500 })).knownSince).toBe(now);
  });
});
