// Exchanges the token on standard input at each cloud: node cloud-smoke.ts MINIO.json RGW.json < TOKEN
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Cloud } from './cloud.ts';
import { createS3Client } from './s3.ts';
import { assumeRole } from './sts.ts';

const policy = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::acme-data/reports/*'] },
  ],
};

async function exchangeToken(cloud: Cloud, token: string): Promise<string> {
  const startedAt = performance.now();
  const session = await assumeRole(cloud, { token, policy });
  const exchangeMs = performance.now() - startedAt;
  const client = createS3Client(cloud, session);
  await expectStatus(client, 'acme-data', 'reports/q3.csv', 200);
  await expectStatus(client, 'acme-data', 'secrets/keys.txt', 403);
  await expectStatus(client, 'acme-other', 'reports/q3.csv', 403);
  // Idle connections would keep this process running for a minute.
  client.destroy();
  return `${cloud.name}: token exchanged in ${Math.round(exchangeMs)} ms; in scope 200, out of scope 403`;
}

async function expectStatus(
  client: S3Client,
  bucket: string,
  key: string,
  expected: number,
): Promise<void> {
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key })).then(
    ({ $metadata }) => $metadata.httpStatusCode,
    (error: unknown) =>
      (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ??
      String(error),
  );
  if (got !== expected)
    throw new Error(`GetObject ${bucket}/${key}: expected ${expected}, got ${got}`);
}

const token = (await text(process.stdin)).trim();
for (const file of process.argv.slice(2)) {
  console.log(await exchangeToken(JSON.parse(readFileSync(file, 'utf8')) as Cloud, token));
}
