import { canonicalizeJson } from '../schema/canonical-json.ts';
import { integer, object, read, string } from '../schema/reader.ts';
import { fail, type Result } from '../schema/field-error.ts';
import type { Position } from './chain.ts';

/** The newest sealed record of a replica, as published in the cluster. */
export type Head = Position & {
  /** Wall-clock milliseconds since the epoch. */
  readonly at: number;
};

/** Milliseconds between two publications. */
const PUBLISH_EVERY_MS = 5_000;

/** Key of the ConfigMap of heads that holds the public keys of seals. */
export const PUBLIC_KEYS_NAME = 'public-keys.pem';

const hex = string({ expected: '64 hexadecimal digits', pattern: /^[0-9a-f]{64}$/ });
const headReader = object({
  chain: string({ expected: 'a chain id', pattern: /^[\w.-]{1,300}$/ }),
  sequence: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  hash: hex,
  at: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
});

/** Renders a head as the value of a ConfigMap: canonical JSON. */
export const renderHead = (head: Head): string => canonicalizeJson(head);

/** Reads the output of {@link renderHead}; returns all field errors otherwise. */
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

/** The functions of a recorder that publishing needs. */
type HeadSource = {
  readonly checkpoint: () => Promise<void>;
  readonly head: () => Head;
};

/**
 * Creates the step of a reconcile loop that seals unsealed records and publishes a changed head. It never
 * throws and returns the milliseconds until the next step. When the checkpoint fails, it still publishes
 * the last sealed head.
 *
 * @param failed called with each error
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
