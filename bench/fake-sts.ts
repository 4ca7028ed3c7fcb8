import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createTokenBuckets } from '../lib/async/token-buckets.ts';
import { CloudError } from '../test/fakes/cloud/cloud-error.ts';
import { renderStsError } from '../test/fakes/cloud/xml.ts';
import { getEpochMs } from './measured-processes.ts';

/**
 * Requests per second, account and Region that AWS documents for STS requests that are signed with AWS
 * credentials. AssumeRoleWithWebIdentity is not signed: AWS documents no figure for it.
 */
export const STS_QUOTA = {
  perSecond: 600,
  page: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html',
} as const;

/** A call that was answered; `at`: its arrival, milliseconds since the epoch. */
export type StsCall = { readonly at: number; readonly isThrottled: boolean };

/** An STS that verifies nothing, for measuring the program in front of it. */
export type FakeSts = { url: string; calls: () => number; stop: () => Promise<void> };

/** It remembers its calls, in the order of their arrival. */
type RememberingSts = FakeSts & { listCalls: () => readonly StsCall[] };

export type FakeStsOptions = {
  /** How long each answer takes; default 0. */
  readonly delayMs?: number;
  /** Calls per second that it answers, and as many at once; it throttles the others. Default: all. */
  readonly perSecond?: number;
  /** Milliseconds; default: the monotonic clock. */
  readonly monotonic?: () => number;
};

/** Starts it on 127.0.0.1. */
export async function startFakeSts({
  delayMs = 0,
  perSecond = Infinity,
  monotonic = () => performance.now(),
}: FakeStsOptions = {}): Promise<RememberingSts> {
  const calls: StsCall[] = [];
  const take = createTokenBuckets({ perSecond, burst: perSecond, capacity: 1, monotonic });
  const server = createServer((request, response) => {
    const isThrottled = Number.isFinite(perSecond) && take('account') > 0;
    calls.push({ at: getEpochMs(), isThrottled });
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const answer = isThrottled
        ? renderStsError(THROTTLED, 'bench')
        : renderStsResponse(Number(form.get('DurationSeconds') ?? 900));
      void pause(delayMs).then(() => {
        response.statusCode = isThrottled ? THROTTLED.status : 200;
        response.setHeader('content-type', 'text/xml');
        response.end(answer);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls: () => calls.length,
    listCalls: () => calls,
    stop,
  };
}

/** As AWS answers above a quota. */
const THROTTLED = new CloudError('Throttling', 400, 'Rate exceeded');

/** The answer of AssumeRoleWithWebIdentity, XML. */
export function renderStsResponse(
  durationSeconds: number,
  accessKeyId = 'ASIABENCHBENCHBENCH0',
): string {
  const expiration = new Date(Date.now() + durationSeconds * 1000).toISOString();
  const credentials = [
    `<AccessKeyId>${accessKeyId}</AccessKeyId>`,
    '<SecretAccessKey>bench/secret/of/forty/characters/in/all/</SecretAccessKey>',
    `<SessionToken>${'token+of+a+session/'.repeat(40)}</SessionToken>`,
    `<Expiration>${expiration}</Expiration>`,
  ].join('');
  const user =
    '<AssumedRoleId>AROABENCH:bench</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/bench/bench</Arn>';
  const result = `<Credentials>${credentials}</Credentials><AssumedRoleUser>${user}</AssumedRoleUser><PackedPolicySize>12</PackedPolicySize>`;
  return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>${result}</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
}
