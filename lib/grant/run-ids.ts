import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from 'node:crypto';

import { RUN_ID_LENGTH } from '../contract/authority-api.ts';

/** 80 bits each, which base32 writes as 16 characters. */
const HALF_BYTES = 10;
const HALF_LENGTH = RUN_ID_LENGTH / 2;
const RUN = /^[a-z2-7]{32}$/;

/** Whether a text is a run ID, of whichever pod. */
export const isRunId = (text: string): boolean => RUN.test(text);
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

export type RunIds = {
  /** Creates a run ID: 32 characters of `[a-z2-7]`, valid in names of Kubernetes and clouds. */
  readonly newRun: (podUid: string) => string;
  /** Whether the run ID was issued to this pod. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
};

/**
 * Creates and verifies run IDs that are bound to a pod without a store: half is random, and half is an
 * HMAC over that and the pod's UID.
 *
 * @param secret at least 32 bytes that every replica shares
 */
export const createRunIds = (secret: Uint8Array, random = randomBytes): RunIds => {
  const key = createSecretKey(secret);
  const mark = (half: string, podUid: string): string =>
    base32(createHmac('sha256', key).update(`${half}\0${podUid}`).digest().subarray(0, HALF_BYTES));
  return {
    newRun: (podUid) => {
      const half = base32(random(HALF_BYTES));
      return half + mark(half, podUid);
    },
    belongsTo: (run, podUid) => {
      if (!isRunId(run)) return false;
      const expected = mark(run.slice(0, HALF_LENGTH), podUid);
      return timingSafeEqual(Buffer.from(run.slice(HALF_LENGTH)), Buffer.from(expected));
    },
  };
};

/** RFC 4648, section 6, in lower case; only whole groups of five bytes, so without padding. */
const base32 = (bytes: Uint8Array): string => {
  let text = '';
  let bits = 0;
  let count = 0;
  for (const byte of bytes) {
    // What was written is masked out, so that at most 12 bits are held.
    bits = ((bits & 0b1111) << 8) | byte;
    count += 8;
    for (; count >= 5; count -= 5) text += ALPHABET[(bits >>> (count - 5)) & 0b11111] ?? '';
  }
  return text;
};
