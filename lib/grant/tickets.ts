import { createHmac, createSecretKey, hkdfSync, timingSafeEqual } from 'node:crypto';

import type { Task, TaskStatement } from '../contract/task.ts';
import { fail, type FieldError, type Result } from '../schema/field-error.ts';
import { isMapping } from '../schema/mapping.ts';
import { dnsLabel, integer, list, object, read, record, string } from '../schema/reader.ts';
import { admittedTask } from '../task/admitted-tasks.ts';

/** One run of a chain of delegations. */
export type ChainedRun = {
  readonly run: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly task: string;
};

/**
 * What the authority needs of a run that it issued. It stores no runs: the sidecar holds this as a ticket
 * and presents it with each later request about the run.
 */
export type TicketClaims = {
  readonly run: string;
  /** Milliseconds since the epoch, by the authority's clock. */
  readonly deadline: number;
  /** One per IP family. */
  readonly podIps: readonly string[];
  /** SHA-256, hex, of the policies that allowed the run. */
  readonly policyVersion: string;
  /** IDs of the policies that allowed the run, for records; bounded. Absent from an older authority. */
  readonly policies?: readonly string[];
  /** When the run itself ends; milliseconds since the epoch. Absent from an older authority. */
  readonly expiresAt?: number;
  readonly namespace: string;
  /** Of the run's start: an API request for each call would make every gated call wait for it. */
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly podUid: string;
  readonly consumer: string;
  /** As admitted. */
  readonly task: Task;
  readonly params: Readonly<Record<string, string>>;
  /** A narrower scope than the task's, of a delegated run. */
  readonly allow?: readonly TaskStatement[];
  readonly user?: {
    readonly issuer: string;
    readonly subject: string;
    readonly kubernetesName?: string;
  };
  /** Root first; empty without delegation. */
  readonly chain: readonly ChainedRun[];
  /** Groups that approved the run. */
  readonly approvals: readonly string[];
  readonly handles?: { readonly vaultAccessor?: string; readonly databaseRole?: string };
};

export type Tickets = {
  /** @returns undefined if the ticket would be longer than {@link MAX_TICKET_LENGTH} */
  readonly seal: (claims: TicketClaims) => string | undefined;
  /** @returns the claims of a ticket that a replica sealed, or all errors, which show nothing of it */
  readonly open: (ticket: string) => Result<TicketClaims>;
};

/** Characters. Two of them fit into the form of a request. */
export const MAX_TICKET_LENGTH = 16 * 1024;

const VERSION = 'vk1';
const KEY_BYTES = 32;
const FORMAT = /^vk1\.[\w-]+\.[\w-]{43}$/;

/**
 * Creates and opens run tickets: `vk1.`, the claims, and an HMAC-SHA256. It is not a JWT, so that no cloud
 * takes it for a grant. The key is derived from the key of run IDs (RFC 5869).
 *
 * @param secret at least 32 bytes that every replica shares
 */
export const createTickets = (secret: Uint8Array): Tickets => {
  const key = createSecretKey(
    Buffer.from(hkdfSync('sha256', secret, '', 'valetkey ticket v1', KEY_BYTES)),
  );
  const mark = (signed: string): string =>
    createHmac('sha256', key).update(signed).digest('base64url');
  return {
    seal: (claims) => {
      const signed = `${VERSION}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
      const ticket = `${signed}.${mark(signed)}`;
      return ticket.length <= MAX_TICKET_LENGTH ? ticket : undefined;
    },
    open: (ticket) => {
      if (ticket.length > MAX_TICKET_LENGTH || !FORMAT.test(ticket)) {
        return failRedacted([{ path: '', expected: 'vk1.<claims>.<HMAC> of at most 16 KiB' }]);
      }
      const at = ticket.lastIndexOf('.');
      const [signed, given] = [ticket.slice(0, at), ticket.slice(at + 1)];
      if (!timingSafeEqual(Buffer.from(given), Buffer.from(mark(signed)))) {
        return failRedacted([{ path: '', expected: 'a ticket that this authority sealed' }]);
      }
      return readClaims(signed.slice(VERSION.length + 1));
    },
  };
};

/**
 * Another version of the authority may have sealed it: members that this one does not know are left out. A member
 * without which a ticket allows more needs another {@link VERSION}.
 */
const readClaims = (encoded: string): Result<TicketClaims> => {
  let given: unknown;
  try {
    given = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
  } catch {
    return failRedacted([{ path: '', expected: 'claims in JSON' }]);
  }
  const isKnown = ([name]: [string, unknown]): boolean => Object.hasOwn(ticketMembers, name);
  const known = isMapping(given)
    ? Object.fromEntries(Object.entries(given).filter(isKnown))
    : given;
  const claims = read(ticketClaims, known);
  return claims.ok ? claims : failRedacted(claims.faults);
};

const failRedacted = (
  faults: readonly Pick<FieldError, 'path' | 'expected'>[],
): Result<TicketClaims> =>
  fail(
    faults.map(({ path, expected }) => ({
      path: path === '' ? 'ticket' : `ticket.${path}`,
      expected,
      got: 'something else (not shown)',
    })),
  );

const text = string();
const texts = list(text);
const labels = record(text, text);
const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

const ticketMembers = {
  run: text,
  deadline: time,
  podIps: texts,
  policyVersion: text,
  policies: { optional: texts },
  expiresAt: { optional: time },
  namespace: dnsLabel,
  namespaceLabels: labels,
  serviceAccount: text,
  pod: text,
  podUid: text,
  consumer: dnsLabel,
  task: admittedTask,
  params: labels,
  allow: { optional: list(object({ actions: texts, resources: texts })) },
  user: { optional: object({ issuer: text, subject: text, kubernetesName: { optional: text } }) },
  chain: list(object({ run: text, namespace: text, serviceAccount: text, task: text }), {
    max: 3,
  }),
  approvals: texts,
  handles: {
    optional: object({ vaultAccessor: { optional: text }, databaseRole: { optional: text } }),
  },
};
const ticketClaims = object(ticketMembers);
