import { randomUUID } from 'node:crypto';

import {
  buildNoticeBody,
  buildWebhookHeaders,
  parseWebhookKey,
  type ApprovalNotice,
} from '../../lib/approvals/approval-notice.ts';
import { computeBackoffMs } from '../../lib/async/backoff.ts';
import { createShares } from '../../lib/async/shares.ts';
import type { ApprovalSettings } from '../../lib/contract/platform.ts';
import { ConnectionError, type SendToEndpoint } from '../../lib/edge/http/https-client.ts';
import type { ReadSourceSecret } from '../../lib/edge/kubernetes/source-secrets.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';
import { SecretError } from '../../lib/upstreams/secret-fetcher.ts';

export type NotifierDeps = {
  readonly readSourceSecret: ReadSourceSecret;
  readonly send: SendToEndpoint;
  readonly metrics: Pick<AuthorityMetrics, 'approvalNotified'>;
  /** Logs a notice that was not delivered. */
  readonly onFailure: (error: unknown) => void;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
  readonly pause: (ms: number) => Promise<void>;
};

/** Sends one notice. Never throws, and nothing waits for it. */
export type NotifyPeople = (notice: ApprovalNotice) => void;

const MAX_TRIES = 5;
const BACKOFF = { firstMs: 2_000, maxMs: 30_000 };
const TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 64 * 1024;
/** Of the Secret. */
const KEY = 'key';
/** Notices at one time. The limits of requests are per namespace, and a receiver can be slow. */
const MAX_IN_PROGRESS = { perPool: 128, perOwner: 32 };
/** The receiver says that it wants no more (Standard Webhooks 1.0). */
const GONE = 410;

/**
 * Creates what notifies a webhook of the platform that people are asked (Standard Webhooks 1.0). The key is read at
 * each try, so that a rotation acts at once. The URL may hold a secret of its own, so that it is never logged.
 */
export const createApprovalNotifier = (
  settings: NonNullable<ApprovalSettings['notify']>,
  deps: NotifierDeps,
): NotifyPeople => {
  const take = createShares(MAX_IN_PROGRESS);
  return (notice) => {
    const giveBack = take({ pool: 'notices', owner: notice.namespace });
    if (giveBack === undefined) {
      reportFailure(new LoggableError('too many notices in progress'), notice, deps);
      return;
    }
    void notifyWithRetries(notice, settings, deps).finally(giveBack);
  };
};

/** Never rejects. */
const notifyWithRetries = async (
  notice: ApprovalNotice,
  settings: NonNullable<ApprovalSettings['notify']>,
  deps: NotifierDeps,
): Promise<void> => {
  const message = { id: `msg_${randomUUID()}`, body: buildNoticeBody(notice, deps.now()) };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const status = await sendNotice(message, settings, deps);
      if (status >= 200 && status < 300) {
        deps.metrics.approvalNotified('delivered');
        return;
      }
      const error = new LoggableError(`the receiver answered ${status}`);
      if (attempt === MAX_TRIES || status === GONE) {
        reportFailure(error, notice, deps);
        return;
      }
    } catch (error) {
      if (attempt === MAX_TRIES) {
        reportFailure(toLoggable(error), notice, deps);
        return;
      }
    }
    await deps.pause(computeBackoffMs(attempt, { ...BACKOFF, random: deps.random }));
  }
};

/** @returns the status of the response @throws SecretError, ConnectionError, LoggableError */
const sendNotice = async (
  { id, body }: { readonly id: string; readonly body: string },
  { url, secretName: name, caBundle }: NonNullable<ApprovalSettings['notify']>,
  { readSourceSecret, send, now }: NotifierDeps,
): Promise<number> => {
  const { origin } = new URL(url);
  const { text } = await readSourceSecret({ name, key: KEY }, { origin, form: 'token' });
  const key = parseWebhookKey(text);
  if (key === undefined) {
    const expected = 'expected whsec_ and base64 of 24 to 64 bytes';
    throw new LoggableError(`secret ${name} key ${KEY}: ${expected}`);
  }
  const headers = {
    'Content-Type': 'application/json',
    ...buildWebhookHeaders({ id, now: now(), body }, key),
  };
  const { status } = await send({
    method: 'POST',
    url,
    headers,
    body,
    timeoutMs: TIMEOUT_MS,
    maxBodyBytes: MAX_BODY_BYTES,
    ...(caBundle !== undefined && { caBundle }),
  });
  return status;
};

const toLoggable = (error: unknown): unknown => {
  if (error instanceof ConnectionError) return new LoggableError(`no answer (${error.code})`);
  return error instanceof SecretError ? new LoggableError(error.message) : error;
};

const reportFailure = (
  error: unknown,
  { namespace, name }: ApprovalNotice,
  { metrics, onFailure }: NotifierDeps,
): void => {
  metrics.approvalNotified('failed');
  const at = `ApprovalRequest ${namespace}/${name}`;
  onFailure(error instanceof LoggableError ? new LoggableError(`${at}: ${error.message}`) : error);
};
