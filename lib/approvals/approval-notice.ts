import { createHmac } from 'node:crypto';

import type { ApprovalGroup, ApprovalKind } from '../contract/approvals.ts';

/** What a new ApprovalRequest says to people outside of the cluster: nothing of the request's arguments. */
export type ApprovalNotice = {
  readonly namespace: string;
  readonly name: string;
  readonly kind: ApprovalKind;
  readonly groups: readonly ApprovalGroup[];
  readonly task: string;
  /** RFC 3339. */
  readonly expiresAt: string;
};

/** Standard Webhooks 1.0: the type, the time and the data of an event. */
export const buildNoticeBody = (
  { namespace, name, kind, groups, task, expiresAt }: ApprovalNotice,
  now: number,
): string =>
  JSON.stringify({
    type: 'approval.requested',
    timestamp: new Date(now).toISOString(),
    data: {
      namespace,
      name,
      kind,
      groups,
      task,
      expiresAt,
      command: `kubectl valetkey approve -n ${namespace} ${name}`,
    },
  });

const PREFIX = 'whsec_';
const KEY = /^[A-Za-z0-9+/]+={0,2}$/;
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;

/**
 * Reads the key of a webhook (Standard Webhooks 1.0, section "Signature scheme"): `whsec_` and base64.
 *
 * @returns undefined if the text is none
 */
export const parseWebhookKey = (text: string): Buffer | undefined => {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : '';
  if (!KEY.test(encoded)) return undefined;
  const key = Buffer.from(encoded, 'base64');
  return key.length >= MIN_KEY_BYTES && key.length <= MAX_KEY_BYTES ? key : undefined;
};

/**
 * Signs a webhook.
 *
 * @param message.id the same for every try, so that a receiver can ignore what it has
 * @param message.now of this try: receivers refuse what is older than some minutes
 */
export const buildWebhookHeaders = (
  { id, now, body }: { readonly id: string; readonly now: number; readonly body: string },
  key: Buffer,
): Readonly<Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>> => {
  const timestamp = String(Math.floor(now / 1000));
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
};
