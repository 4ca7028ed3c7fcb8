import { afterEach, describe, expect, it } from '@jest/globals';

import type { Pod } from '../../lib/contract/pod.ts';
import type { ConfigMapChange, StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import { createWatchSync } from '../../lib/server/watch-sync.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  formatPublishedAnnotation,
  formatSeenAnnotation,
  formatTimestamp,
} from './template-garbage-collection.ts';
import { createTemplateRegistry, type TemplateRegistry } from './template-registry.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const own = buildInjectionTemplate(platform);
const other = buildInjectionTemplate({
  ...platform,
  sidecar: { ...platform.sidecar, image: 'registry.example/valetkey:0.2.0' },
});

const opened: TemplateRegistry[] = [];
afterEach(() => opened.splice(0).forEach((registry) => registry.stop()));

const EMPTY: StoredConfigMap = { resourceVersion: '1', data: {}, annotations: {} };

const createTestRegistry = (initial = EMPTY, pods: readonly Pod[] = []) => {
  const map = { state: initial };
  const changes: ConfigMapChange[] = [];
  const quiet = (): void => undefined;
  let reads = 0;
  let at = 10_000;
  let meanwhile: () => void | Promise<void> = quiet;
  let sendState: (state: StoredConfigMap | undefined) => void = () => undefined;
  const sync = createWatchSync({ monotonic: () => at });
  const registry = createTemplateRegistry({
    store: {
      read: async () => {
        reads += 1;
        const { state } = map;
        await meanwhile();
        return state;
      },
      change: (change) => {
        changes.push(change);
        return Promise.resolve();
      },
    },
    watch: ({ onState }) => {
      sendState = onState;
      return quiet;
    },
    listInjectedPods: async function* () {
      await Promise.resolve();
      yield* pods;
    },
    sync,
    clock: { now: () => now, monotonic: () => at },
    random: () => 0.5,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    onCount: quiet,
    everyMs: 3_600_000,
  });
  registry.use(own);
  opened.push(registry);
  return {
    registry,
    sync,
    changes,
    map,
    sendState: (state: StoredConfigMap | undefined) => sendState(state),
    reads: () => reads,
    /** Runs during a read, after its response was built. */
    during: (happens: () => void) => {
      meanwhile = () => {
        meanwhile = quiet;
        happens();
      };
    },
    pass: (ms: number) => (at += ms),
  };
};

const buildConfigMap = (...published: { hash: string; text: string }[]): StoredConfigMap => ({
  resourceVersion: '7',
  data: Object.fromEntries(published.map(({ hash, text }) => [hash, text])),
  annotations: Object.fromEntries(
    published.flatMap(({ hash }) => [
      [formatSeenAnnotation(hash), formatTimestamp(now - 7_200_000)],
      [formatPublishedAnnotation(hash), formatTimestamp(now - 600_000)],
    ]),
  ),
});

/** After a change of the platform: a running pod names the other template, no replica publishes it. */
const buildOutdatedConfigMap = (): StoredConfigMap => {
  const state = buildConfigMap(own, other);
  const old = { [formatPublishedAnnotation(other.hash)]: formatTimestamp(now - 1_200_001) };
  const seen = { [formatSeenAnnotation(other.hash)]: formatTimestamp(now) };
  return { ...state, annotations: { ...state.annotations, ...old, ...seen } };
};

describe('createTemplateRegistry', () => {
  it('publishes the template in an empty ConfigMap', async () => {
    const { changes } = createTestRegistry();
    await waitUntil(() => changes.length > 0);
    expect(changes[0]).toEqual({
      data: { [own.hash]: own.text },
      annotations: {
        [formatSeenAnnotation(own.hash)]: formatTimestamp(now),
        [formatPublishedAnnotation(own.hash)]: formatTimestamp(now),
      },
    });
  });

  it('reports the template as published only after the watch has seen it', () => {
    const { registry, sendState } = createTestRegistry();
    expect(registry.isPublished()).toBe(false);
    sendState(buildConfigMap(other));
    expect(registry.isPublished()).toBe(false);
    sendState(buildConfigMap(own, other));
    expect(registry.isPublished()).toBe(true);
    expect([...registry.accepted().keys()].sort()).toEqual([own.hash, other.hash].sort());
  });

  it('does not accept templates of old pods for new pods', () => {
    const { registry, sendState } = createTestRegistry();
    sendState(buildOutdatedConfigMap());
    expect([...registry.accepted().keys()]).toEqual([own.hash]);
  });

  it('does not accept templates without a time of publication for new pods', () => {
    const { registry, sendState } = createTestRegistry();
    sendState({ ...buildConfigMap(own, other), annotations: {} });
    expect(registry.accepted().size).toBe(0);
  });

  it('reports the time since the last update of the watch', () => {
    const { sync, sendState, pass } = createTestRegistry();
    expect(sync.ageSeconds()).toBeUndefined();
    sendState(buildConfigMap(own));
    pass(42_000);
    expect(sync.ageSeconds()).toBe(42);
  });

  it('rejects templates that do not match their hash', () => {
    const { registry, sendState } = createTestRegistry();
    sendState(buildConfigMap({ hash: other.hash, text: other.text.replace('0.2.0', 'evil') }));
    expect(registry.accepted().size).toBe(0);
  });

  it('does not replace a newer state of the watch by an older read', async () => {
    const { registry, map, sendState, during, reads, changes } = createTestRegistry(
      buildConfigMap(own),
    );
    await waitUntil(() => changes.length > 0 && reads() > 0);
    const before = reads();
    during(() => {
      map.state = buildConfigMap(own, other);
      sendState(map.state);
    });
    await registry.refreshIfUnknown('made-up');
    expect([...registry.accepted().keys()].sort()).toEqual([own.hash, other.hash].sort());
    expect(reads() - before).toBe(2);
  });

  it('reads unknown templates at most once a second', async () => {
    const { registry, map, reads, pass, changes } = createTestRegistry(buildConfigMap(own));
    await waitUntil(() => changes.length > 0 && reads() > 0);
    const before = reads();
    await Promise.all([
      registry.refreshIfUnknown('made-up'),
      registry.refreshIfUnknown('made-up too'),
    ]);
    await registry.refreshIfUnknown('made-up again');
    expect(reads()).toBe(before + 1);
    map.state = buildConfigMap(own, other);
    pass(1_000);
    await registry.refreshIfUnknown(other.hash);
    expect(registry.accepted().has(other.hash)).toBe(true);
    pass(1_000);
    await registry.refreshIfUnknown(other.hash);
    await registry.refreshIfUnknown(own.hash);
    expect(reads()).toBe(before + 2);
  });

  it('uses a template only after its publication, and keeps the previous one published', async () => {
    const { registry, sendState, changes } = createTestRegistry();
    expect(registry.published()).toBeUndefined();
    sendState(buildConfigMap(own));
    expect(registry.published()).toEqual(own);
    await waitUntil(() => changes.length > 0);
    const before = changes.length;
    registry.use(other);
    expect(registry.published()).toEqual(own);
    expect(registry.isPublished()).toBe(true);
    await waitUntil(() =>
      changes.slice(before).some(({ data }) => data?.[other.hash] !== undefined),
    );
    const change = changes.slice(before).find(({ data }) => data?.[other.hash] !== undefined);
    expect(change).toEqual({
      data: { [own.hash]: own.text, [other.hash]: other.text },
      annotations: Object.fromEntries(
        [own.hash, other.hash].flatMap((hash) => [
          [formatSeenAnnotation(hash), formatTimestamp(now)],
          [formatPublishedAnnotation(hash), formatTimestamp(now)],
        ]),
      ),
    });
    sendState(buildConfigMap(own, other));
    expect(registry.published()).toEqual(other);
  });

  it('does not publish the same template again immediately', async () => {
    const { registry, sendState, changes } = createTestRegistry();
    await waitUntil(() => changes.length > 0);
    sendState(buildConfigMap(own));
    const before = changes.length;
    registry.use(own);
    await new Promise((resolve) => setImmediate(resolve));
    expect(changes).toHaveLength(before);
    expect(registry.published()).toEqual(own);
  });

  it('deletes unused templates with the resource version that it read', async () => {
    const { changes } = createTestRegistry(buildConfigMap(own, other));
    await waitUntil(() => changes.length > 1);
    expect(changes[1]).toMatchObject({ data: { [other.hash]: null }, resourceVersion: '7' });
  });

  it('keeps templates that a running pod names', async () => {
    const env = [{ name: 'VALETKEY_INJECTION_TEMPLATE', value: other.hash }];
    const pod = { spec: { containers: [], initContainers: [{ name: 'valetkey-sidecar', env }] } };
    const { changes } = createTestRegistry(buildConfigMap(own, other), [pod]);
    await waitUntil(() => changes.length > 1);
    expect(changes[1]?.data).toEqual({});
    expect(Object.keys(changes[1]?.annotations ?? {})).toContain(formatSeenAnnotation(other.hash));
  });
});
