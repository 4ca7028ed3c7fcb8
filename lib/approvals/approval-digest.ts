import { createHash } from 'node:crypto';

import type { ApprovalKind, ChainLink } from '../contract/approvals.ts';
import type { TaskStatement } from '../contract/task.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';

/** What an approval is about: everything that makes the request this one, and nothing that changes at a retry. */
export type ApprovalSubject = {
  readonly kind: ApprovalKind;
  readonly podUid: string;
  readonly task: string;
  readonly consumer: string;
  readonly params: Readonly<Record<string, string>>;
  readonly user?: { readonly issuer: string; readonly subject: string };
  /** Root first. */
  readonly chain: readonly ChainLink[];
  /** Of the start of a delegated run: what its handle grants, which the next handle for the same task may not. */
  readonly grant?: { readonly allow: readonly TaskStatement[]; readonly lifetimeSeconds?: number };
  /** Of one call; absent: the start of a run. */
  readonly call?: { readonly operation: string; readonly content: string };
};

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * SHA-256, hex, of the canonical JSON (RFC 8785) of a subject. The members are listed one by one, so that
 * an object with more of them, such as the purpose in an agent's words, has the same digest.
 */
export const computeApprovalDigest = ({
  kind,
  podUid,
  task,
  consumer,
  params,
  user,
  chain,
  grant,
  call,
}: ApprovalSubject): string =>
  sha256(
    canonicalizeJson({
      kind,
      podUid,
      task,
      consumer,
      params,
      ...(user !== undefined && { user: { issuer: user.issuer, subject: user.subject } }),
      chain: chain.map((link) => ({
        run: link.run,
        namespace: link.namespace,
        serviceAccount: link.serviceAccount,
        task: link.task,
      })),
      ...(grant !== undefined && {
        grant: {
          allow: grant.allow.map(({ actions, resources }) => ({ actions, resources })),
          lifetimeSeconds: grant.lifetimeSeconds ?? null,
        },
      }),
      ...(call !== undefined && { call: { operation: call.operation, content: call.content } }),
    }),
  );

const NAME_DIGITS = 20;

/** The name of the ApprovalRequest of a digest. Two digests may share one: the whole digest is compared. */
export const buildRequestName = (digest: string): string => `ar-${digest.slice(0, NAME_DIGITS)}`;

/** The digest by which the use of a request is recorded once: a request that is made again has another UID. */
export const computeUseDigest = (requestUid: string): string => sha256(requestUid);

/** The digest by which a denied request stays denied until it expires, also if its objects are deleted. */
export const computeDenialDigest = (namespace: string, digest: string): string =>
  sha256(`denied ${namespace} ${digest}`);
