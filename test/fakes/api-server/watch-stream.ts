import type { ServerResponse } from 'node:http';
import { isSelected } from './request-handler.ts';
import type { ResourceStore } from './resource-store.ts';

/**
 * Answers a watch: a line for each change since the version that it names, and where it asks for
 * bookmarks one when its time is over.
 */
export const streamWatchEvents = (
  store: ResourceStore,
  { path, query }: { readonly path: string; readonly query: URLSearchParams },
  answer: ServerResponse,
): void => {
  answer.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  const write = (line: object): void => void answer.write(`${JSON.stringify(line)}\n`);
  const from = Number(query.get('resourceVersion') ?? store.version());
  const stop = store.subscribe(path, from, ({ type, object }) => {
    if (isSelected(object, query)) write({ type, object });
  });
  const stopEnding = store.onRestore(() => {
    stop();
    answer.end();
  });
  const timer = setTimeout(() => {
    // Like a change, a bookmark of an older version is dropped.
    if (query.get('allowWatchBookmarks') === 'true' && store.version() >= from) {
      const metadata = { resourceVersion: String(store.version()) };
      write({ type: 'BOOKMARK', object: { metadata } });
    }
    answer.end();
  }, readWatchTimeoutMs(query));
  answer.once('close', () => {
    stop();
    stopEnding();
    clearTimeout(timer);
  });
};

const DEFAULT_SECONDS = 1_800;

const readWatchTimeoutMs = (query: URLSearchParams): number =>
  Number(query.get('timeoutSeconds') ?? DEFAULT_SECONDS) * 1000;
