import type { Upstream } from './upstream.ts';
import { parseUpstream } from './upstream-parser.ts';

/**
 * Parses the Upstreams of a cluster. One that is not valid does not exist: the webhook refuses it when it
 * is written, unless the webhook did not run.
 */
export const parseStoredUpstreams = (all: readonly unknown[]): ReadonlyMap<string, Upstream> =>
  new Map(
    all.flatMap((stored) => {
      const parsed = parseUpstream(stored);
      return parsed.ok ? [[parsed.value.name, parsed.value] as const] : [];
    }),
  );
