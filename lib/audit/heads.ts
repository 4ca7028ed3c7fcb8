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
/** An unchanged head is published again after this time: a restore of the cluster's store may have lost it. */
const REPEAT_AFTER_MS = 60_000;

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

/**
 * How long nothing may be published before issuing stops. Until its head is published, a record could be
 * removed without a trace.
 */
export const MAX_UNPUBLISHED_MS = 60_000;

/** The functions of a recorder that publishing needs. */
type HeadSource = {
  readonly checkpoint: () => Promise<void>;
  readonly head: () => Head;
};

export type HeadPublisher = {
  /**
   * The step of a reconcile loop: seals unsealed records and publishes a changed head. It never throws
   * and returns the milliseconds until the next step. When the checkpoint fails, it still publishes the
   * last sealed head.
   */
  readonly publishHead: () => Promise<number>;
  /** Whether every record older than {@link MAX_UNPUBLISHED_MS} is covered by the published head. */
  readonly isCurrent: () => boolean;
  /** The head that this process published last. */
  readonly published: () => Head | undefined;
};

/** @param failed called with each error */
export const createHeadPublisher = ({
  recorder,
  publish,
  failed,
  monotonic,
}: {
  readonly recorder: HeadSource;
  readonly publish: (head: Head) => Promise<void>;
  readonly failed: (error: unknown) => void;
  readonly monotonic: () => number;
}): HeadPublisher => {
  let published: Head | undefined;
  let publishedAt = -Infinity;
  let currentAt: number | undefined;
  const publishChangedHead = async (): Promise<void> => {
    const head = recorder.head();
    const now = monotonic();
    if (head.hash === published?.hash && now - publishedAt < REPEAT_AFTER_MS) return;
    await publish(head);
    [published, publishedAt] = [head, now];
  };
  return {
    publishHead: async () => {
      const startedAt = monotonic();
      const outcomes = [
        await toOutcome(recorder.checkpoint(), failed),
        await toOutcome(publishChangedHead(), failed),
      ];
      if (outcomes.every(Boolean)) currentAt = startedAt;
      return PUBLISH_EVERY_MS;
    },
    isCurrent: () => currentAt !== undefined && monotonic() - currentAt <= MAX_UNPUBLISHED_MS,
    published: () => published,
  };
};

/** Whether it succeeded; an error goes to `failed`. */
const toOutcome = (call: Promise<void>, failed: (error: unknown) => void): Promise<boolean> =>
  call.then(
    () => true,
    (error: unknown) => {
      failed(error);
      return false;
    },
  );
