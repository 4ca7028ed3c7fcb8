import type { Proposal } from '../contract/proposals.ts';

/** A refusal as its consumer may read it again. */
export type RememberedRefusal = {
  readonly code: string;
  readonly message: string;
  /** What people were asked. */
  readonly approval?: { readonly namespace: string; readonly name: string };
  /** What the consumer may propose to people. */
  readonly proposal?: Proposal;
};

/** The last refusals of each consumer. */
export type RefusalMemory = {
  /** @returns the refusal's message, which says how to propose the right that is missing */
  readonly remember: (consumer: string, id: string, refusal: RememberedRefusal) => string;
  /** Another consumer's refusals do not exist. */
  readonly find: (consumer: string, id: string) => RememberedRefusal | undefined;
};

/** Of each consumer. */
const MAX_REMEMBERED = 32;

/**
 * Creates the memory of refusals.
 *
 * @param canPropose whether there is an authority that takes proposals
 */
export const createRefusalMemory = ({
  canPropose,
}: {
  readonly canPropose: boolean;
}): RefusalMemory => {
  const byConsumer = new Map<string, Map<string, RememberedRefusal>>();
  return {
    remember: (consumer, id, refusal) => {
      const own = byConsumer.get(consumer) ?? new Map<string, RememberedRefusal>();
      byConsumer.set(consumer, own);
      const hint =
        canPropose && refusal.proposal !== undefined
          ? `; to propose this right to people: POST /v1/proposals {"refusal":"${id}"}`
          : '';
      const message = `${refusal.message}${hint}`;
      own.delete(id);
      own.set(id, { ...refusal, message });
      const [oldest] = own.keys();
      if (own.size > MAX_REMEMBERED && oldest !== undefined) own.delete(oldest);
      return message;
    },
    find: (consumer, id) => byConsumer.get(consumer)?.get(id),
  };
};
