import { createLruCache } from '../async/lru-cache.ts';

/** One try of a call that the authority decides about. */
export type CallAttempt = {
  /** Of this try. The authority lets the same one use its approval again for 30 s. */
  readonly name: string;
  /** To be called once, when the call has ended. */
  readonly end: (ended: {
    /** Whether the call went to its server. */
    readonly isSent: boolean;
    /** Whether any byte of the answer arrived. */
    readonly isAnswered: boolean;
  }) => void;
};

export type CallAttempts = {
  /** @param key the same for all tries of one call; undefined: the client has no name for them */
  readonly begin: (key: string | undefined) => CallAttempt;
};

/** The authority's limit is half as long, and counts from the use of the approval. */
const KEPT_MS = 60_000;
const MAX_KEPT = 256;
/** The first try, and one more: an SDK repeats a call that got no answer. */
const MAX_SENT = 2;

/** Each object is replaced as a whole, never changed. */
type Kept = {
  readonly name: string;
  readonly since: number;
  readonly sent: number;
  readonly isOpen: boolean;
};

/**
 * Creates the memory of approved calls that may be tried again. A client chooses its names for calls, so that a name
 * alone allows nothing: a try gets the name of an earlier one only after that one ended without any answer, and once.
 */
export const createCallAttempts = ({
  now,
  createId,
}: {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly createId: () => string;
}): CallAttempts => {
  const kept = createLruCache<Kept>(MAX_KEPT);
  const findEarlier = (key: string): Kept | undefined => {
    const found = kept.get(key);
    return found !== undefined && now() - found.since < KEPT_MS ? found : undefined;
  };
  return {
    begin: (key) => {
      const earlier = key === undefined ? undefined : findEarlier(key);
      if (key === undefined || earlier?.isOpen === true) {
        return { name: createId(), end: () => undefined };
      }
      const begun = earlier ?? { name: createId(), since: now(), sent: 0 };
      kept.set(key, { ...begun, isOpen: true });
      return {
        name: begun.name,
        end: ({ isSent, isAnswered }) => {
          const sent = begun.sent + (isSent ? 1 : 0);
          if (isAnswered || sent >= MAX_SENT) kept.delete(key);
          else kept.set(key, { ...begun, sent, isOpen: false });
        },
      };
    },
  };
};
