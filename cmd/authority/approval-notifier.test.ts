import type { RequestListener } from 'node:http';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import type { ApprovalNotice } from '../../lib/approvals/approval-notice.ts';
import { createEndpointSender } from '../../lib/edge/http/endpoint-client.ts';
import { isCloudAddress } from '../../lib/edge/http/address-check.ts';
import { SecretError } from '../../lib/upstreams/secret-fetcher.ts';
import { sendToEndpoint, startHttpsServer, type HttpsServer } from '../../test/kit/https-server.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { createApprovalNotifier, type NotifierDeps } from './approval-notifier.ts';

const KEY = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const NOTICE: ApprovalNotice = {
  ...{ namespace: 'research', name: 'ar-0123456789abcdef0123', kind: 'call', task: 'write' },
  ...{ groups: [{ name: 'data-owners', quorum: 2 }], expiresAt: '2026-06-01T12:15:00.000Z' },
};

type Received = { readonly headers: Record<string, string>; readonly body: string };

describe('createApprovalNotifier', () => {
  let receiver: HttpsServer;
  let received: Received[];
  let statuses: number[];
  beforeEach(async () => {
    received = [];
    statuses = [];
    const listen: RequestListener = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const headers = request.headers as Record<string, string>;
        received.push({ headers, body: Buffer.concat(chunks).toString() });
        response.writeHead(statuses.shift() ?? 204, { Location: '/elsewhere' }).end();
      });
    };
    receiver = await startHttpsServer(() => listen);
  });
  afterEach(() => receiver.close());

  const notify = async (deps: Partial<NotifierDeps> = {}, path = '/hooks/T0K3N') => {
    const outcomes: string[] = [];
    const failures: string[] = [];
    const pauses: number[] = [];
    const readFor: string[] = [];
    const { origin, caBundle } = receiver;
    const settings = { url: `${origin}${path}`, secretName: 'approval-webhook', caBundle };
    const notifyPeople = createApprovalNotifier(settings, {
      readSourceSecret: ({ name, key }, use) => {
        readFor.push(`${name}/${key} for ${use.origin}`);
        return Promise.resolve({ text: KEY });
      },
      send: sendToEndpoint,
      metrics: { approvalNotified: (outcome) => void outcomes.push(outcome) },
      onFailure: (error) => void failures.push((error as Error).message),
      ...{ now: Date.now, random: () => 0.5, pause: (ms) => Promise.resolve(void pauses.push(ms)) },
      ...deps,
    });
    notifyPeople(NOTICE);
    await waitUntil(() => outcomes[0]);
    return { outcomes, failures, pauses, readFor };
  };

  it('sends what people need to decide, signed as Standard Webhooks says', async () => {
    const { outcomes, failures, readFor } = await notify();
    expect([outcomes, failures]).toEqual([['delivered'], []]);
    expect(readFor).toEqual([`approval-webhook/key for ${receiver.origin}`]);
    const [{ headers, body } = { headers: {}, body: '' }] = received;
    expect(headers).toMatchObject({ 'content-type': 'application/json' });
    const verified = new Webhook(KEY).verify(body, headers);
    expect(verified).toEqual({
      type: 'approval.requested',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      data: {
        ...NOTICE,
        command: 'kubectl valetkey approve -n research ar-0123456789abcdef0123',
      },
    });
    const changed = body.replace('write', 'other');
    expect(() => new Webhook(KEY).verify(changed, headers)).toThrow(/signature/);
  });

  it('tries five times with growing pauses and one id, then only counts and logs', async () => {
    statuses = [500, 429, 302, 404, 503];
    const { outcomes, failures, pauses } = await notify();
    expect(outcomes).toEqual(['failed']);
    expect(pauses).toEqual([2_000, 4_000, 8_000, 16_000]);
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual(
      Array.from({ length: 5 }, () => received[0]?.headers['webhook-id']),
    );
    const at = 'ApprovalRequest research/ar-0123456789abcdef0123';
    expect(failures).toEqual([`${at}: the receiver answered 503`]);
  });

  it('succeeds at a later try', async () => {
    statuses = [500, 500];
    expect((await notify()).outcomes).toEqual(['delivered']);
    expect(received).toHaveLength(3);
  });

  it('stops if the receiver says that it is gone', async () => {
    statuses = [410];
    expect((await notify()).outcomes).toEqual(['failed']);
    expect(received).toHaveLength(1);
  });

  it('calls no address of its own pod or node', async () => {
    const send = createEndpointSender({ isAllowedAddress: isCloudAddress });
    const { outcomes, failures } = await notify({ send });
    expect([outcomes, received]).toEqual([['failed'], []]);
    expect(failures[0]).toContain('no answer (address_refused)');
  });

  it.each<[string, string, () => Promise<{ text: string }>]>([
    [
      'no Secret',
      'secret a: expected it to exist',
      () => Promise.reject(new SecretError('secret_unavailable', 'secret a: expected it to exist')),
    ],
    [
      'a text that is no key',
      'expected whsec_ and base64',
      () => Promise.resolve({ text: 'whsec_c2hvcnQ=' }),
    ],
    [
      'another prefix',
      'expected whsec_ and base64',
      () => Promise.resolve({ text: KEY.replace('whsec_', 'whpk_') }),
    ],
  ])('sends nothing unsigned with %s', async (_, message, readSourceSecret) => {
    const { outcomes, failures } = await notify({ readSourceSecret });
    expect([outcomes, received]).toEqual([['failed'], []]);
    expect(failures[0]).toContain(message);
    expect(failures[0]).not.toContain('T0K3N');
  });

  it('has a bounded number of notices of a namespace in progress', () => {
    const outcomes: string[] = [];
    const notifyPeople = createApprovalNotifier(
      { url: receiver.origin, secretName: 'approval-webhook' },
      {
        readSourceSecret: () => new Promise(() => undefined),
        send: sendToEndpoint,
        metrics: { approvalNotified: (outcome) => void outcomes.push(outcome) },
        onFailure: () => undefined,
        ...{ now: Date.now, random: () => 0.5, pause: () => Promise.resolve() },
      },
    );
    for (let count = 0; count < 33; count += 1) notifyPeople(NOTICE);
    expect(outcomes).toEqual(['failed']);
  });
});
