import type { ApprovalUser, ChainLink } from '../contract/approvals.ts';
import { DELEGATION_HANDLE } from '../contract/authority-api.ts';
import { DELIVERIES, PROVIDERS, type Task, type TaskStatement } from '../contract/task.ts';
import {
  dnsLabel,
  integer,
  list,
  object,
  read,
  record,
  string,
  stringEnum,
} from '../schema/reader.ts';
import { createTextSeals } from '../schema/sealed-text.ts';

/** What the authority needs of the run that delegates, when the handle is used. */
export type DelegatingRun = ChainLink &
  Pick<Task, 'provider' | 'role' | 'delivery'> & {
    readonly pod: string;
    readonly podUid: string;
    /** Not later than the run's own; milliseconds since the epoch, by the authority's clock. */
    readonly deadline: number;
    /** With its params bound. */
    readonly allow: readonly TaskStatement[];
    readonly user?: ApprovalUser;
    /** Of the runs above it, root first. */
    readonly chain: readonly ChainLink[];
  };

/** The right to start one run with a part of what another run has. */
export type Delegation = {
  readonly parent: DelegatingRun;
  /** Name of the task that the pod which uses it declares. */
  readonly task: string;
  /** Whose pods may use it. */
  readonly audience: { readonly namespace: string; readonly serviceAccount: string };
  /** Absent: what the declared task allows. */
  readonly allow?: readonly TaskStatement[];
  /** Params that the new run must have. */
  readonly params: Readonly<Record<string, string>>;
  readonly lifetimeSeconds?: number;
  /** Milliseconds since the epoch, by the authority's clock. */
  readonly expiresAt: number;
};

export type DelegationSeals = {
  /** @returns undefined if the handle would be too long */
  readonly seal: (delegation: Delegation) => string | undefined;
  /** @returns undefined for a text that no replica sealed, or that an incompatible version did */
  readonly open: (handle: string) => Delegation | undefined;
};

const PREFIX = 'vkd1.';

/**
 * Creates the seals of delegations. A handle passes through agents, so that it is encrypted: nothing of it can be
 * read or changed. The key is derived from the key of run IDs.
 *
 * @param secret at least 32 bytes that every replica shares
 */
export const createDelegationSeals = (secret: Uint8Array): DelegationSeals => {
  const seals = createTextSeals({ secret, info: 'valetkey delegation v1' });
  return {
    seal: (delegation) => {
      const handle = `${PREFIX}${seals.seal(JSON.stringify(delegation), PREFIX)}`;
      return DELEGATION_HANDLE.test(handle) ? handle : undefined;
    },
    open: (handle) => {
      if (!DELEGATION_HANDLE.test(handle)) return undefined;
      const opened = seals.open(handle.slice(PREFIX.length), PREFIX);
      const content = opened === undefined ? undefined : read(delegation, JSON.parse(opened));
      return content?.ok === true ? content.value : undefined;
    },
  };
};

const text = string();
const texts = list(text);
const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const allow = list(object({ actions: texts, resources: texts }));
const link = { run: text, namespace: text, serviceAccount: text, task: text };

const delegation = object({
  parent: object({
    ...link,
    pod: text,
    podUid: text,
    provider: stringEnum(PROVIDERS),
    role: text,
    delivery: stringEnum(DELIVERIES),
    deadline: time,
    allow,
    user: { optional: object({ issuer: text, subject: text, kubernetesName: { optional: text } }) },
    chain: list(object(link)),
  }),
  task: dnsLabel,
  audience: object({ namespace: dnsLabel, serviceAccount: text }),
  allow: { optional: allow },
  params: record(text, text),
  lifetimeSeconds: { optional: time },
  expiresAt: time,
});
