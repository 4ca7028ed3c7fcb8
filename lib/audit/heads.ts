import { canonicalizeJson } from '../schema/canonical-json.ts';
import { integer, object, read, string } from '../schema/reader.ts';
import { fail, type Result } from '../schema/field-error.ts';
import type { Position } from './chain.ts';

/** The newest sealed record of a replica, as the cluster keeps it. */
export type Head = Position & {
  /** Wall-clock milliseconds since the epoch. */
  readonly at: number;
};

/** Milliseconds between two publications. */
const PUBLISH_EVERY_MS = 5_000;

/** Name under which, beside the replicas' heads, the public keys of seals are published. */
export const PUBLIC_KEYS_NAME = 'public-keys.pem';

const hex = string({ expected: '64 hexadecimal digits', pattern: /^[0-9a-f]{64}$/ });
const headReader = object({
  chain: string({ expected: 'a chain id', pattern: /^[\w.-]{1,300}$/ }),
  sequence: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  hash: hex,
  at: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
});

/** A head as a ConfigMap's value: canonical JSON. */
export const renderHead = (head: Head): string => canonicalizeJson(head);

/** Reads what {@link renderHead} wrote; every fault when it is something else. */
export const readHead = (text: string, source: string): Result<Head> => {
  const result = read(headReader, parseJson(text));
  return result.ok ? result : fail(result.faults.map((fault) => ({ ...fault, source })));
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};

/** What of a recorder is published. */
type HeadSource = {
  readonly checkpoint: () => Promise<void>;
  readonly head: () => Head;
};

/**
 * One round of publishing: seals what is not sealed yet, and publishes the head where it moved. It
 * never throws, and answers how many milliseconds to wait before the next. A round whose checkpoint
 * failed still publishes the last head that holds.
 *
 * @param failed is told each failure
 */
export const createHeadPublisher = ({
  recorder,
  publish,
  failed,
}: {
  readonly recorder: HeadSource;
  readonly publish: (head: Head) => Promise<void>;
  readonly failed: (error: unknown) => void;
}): (() => Promise<number>) => {
  let published: string | undefined;
  return async () => {
    await recorder.checkpoint().catch(failed);
    const head = recorder.head();
    if (head.hash !== published) {
      await publish(head).then(() => (published = head.hash), failed);
    }
    return PUBLISH_EVERY_MS;
  };
};
