import { afterEach, describe, expect, it } from '@jest/globals';

import { createWatchSync } from '../../lib/server/watch-sync.ts';
import type { WatchResources } from './resource-watch.ts';
import type { StoredObject } from './stored-objects.ts';
import { watchUpstreams, type UpstreamWatch } from './upstream-watch.ts';

let watch: UpstreamWatch | undefined;
afterEach(() => watch?.stop());

const build = (generation: number, status = {}): StoredObject => ({
  metadata: { name: 'reports', uid: 'uid-1', resourceVersion: '1', generation },
  spec: {
    postgres: {
      host: `db-${generation}.example`,
      admin: { name: 'reports-admin', key: 'login' },
      templates: [{ role: 'app', level: 'Write' }],
    },
  },
  status,
});

describe('watchUpstreams', () => {
  it('says when Upstreams were created, changed or deleted, and not when their status was', () => {
    let deliver: Parameters<WatchResources<StoredObject>>[0]['onState'] = () => undefined;
    const setState = (all: readonly StoredObject[]): void =>
      deliver(all, { isRestored: false, version: '8' });
    const started = watchUpstreams({
      watch: ({ onState }) => {
        deliver = onState;
        return () => undefined;
      },
      staleAfterSeconds: 60,
      sync: createWatchSync({ monotonic: () => 0 }),
      random: () => 0.5,
      onFailure: () => undefined,
      status: {
        readSourceSecret: () => Promise.reject(new Error('no secret')),
        probe: () => Promise.resolve(),
        writeStatus: () => Promise.resolve('written'),
        metrics: { upstreamsChecked: () => undefined },
        ...{ clock: { now: () => 0 }, random: () => 0.5, onFailure: () => undefined },
      },
    });
    watch = started;
    const seen: string[][] = [];
    const unsubscribe = started.subscribe(() => {
      seen.push(started.listDatabases().map(({ uid, host }) => `${uid} ${host}`));
    });
    for (const state of [[build(1)], [build(1, { conditions: [] })], [build(2)], []]) {
      setState(state);
    }
    expect(seen).toEqual([['uid-1 db-1.example'], ['uid-1 db-2.example'], []]);
    unsubscribe();
    setState([build(3)]);
    expect(seen).toHaveLength(3);
  });
});
