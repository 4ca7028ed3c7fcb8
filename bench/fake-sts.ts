import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** An STS that verifies nothing, for measuring the program in front of it. */
export type FakeSts = { url: string; calls: () => number; stop: () => Promise<void> };

/** Starts it on 127.0.0.1; each answer takes `delayMs`. */
export async function startFakeSts(delayMs = 0): Promise<FakeSts> {
  let calls = 0;
  const server = createServer((request, response) => {
    calls += 1;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const answer = renderStsResponse(Number(form.get('DurationSeconds') ?? 900));
      void pause(delayMs).then(() => {
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
  return { url: `http://127.0.0.1:${port}`, calls: () => calls, stop };
}

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
