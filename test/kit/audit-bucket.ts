import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { CloudError } from '../fakes/cloud/cloud-error.ts';
import { readRequest } from '../fakes/cloud/http-request.ts';
import { readPolicy } from '../fakes/cloud/iam/policy-document.ts';
import { createBuckets, createStoredObject } from '../fakes/cloud/s3/bucket-store.ts';
import { createS3Handler } from '../fakes/cloud/s3/s3-handler.ts';
import type { S3Response } from '../fakes/cloud/s3/s3-operations.ts';
import { createSessions } from '../fakes/cloud/sts/sessions.ts';
import { renderS3Error } from '../fakes/cloud/xml.ts';

const REGION = 'eu-west-1';
const HOUR_MS = 3_600_000;
const POLICY = { Effect: 'Allow', Action: ['s3:PutObject', 's3:GetObject'], Resource: '*' };

export type AuditBucket = Awaited<ReturnType<typeof startAuditBucket>>;

/** The S3 of the embedded cloud with the bucket `audit`, and keys that may put and get its objects. */
export const startAuditBucket = async () => {
  const sessions = createSessions();
  const { accessKeyId, secretAccessKey, sessionToken } = sessions.issue({
    expiresAt: Date.now() + HOUR_MS,
    arn: 'arn:aws:sts::111122223333:assumed-role/publisher/s',
    userId: 'AROA:s',
    policies: [readPolicy(JSON.stringify({ Version: '2012-10-17', Statement: POLICY }), 'role')],
  });
  const buckets = createBuckets({ audit: {} }, Date.now());
  const objects = buckets.get('audit');
  const handle = createS3Handler({ region: REGION, buckets, sessions, now: Date.now });
  const failures: { method: string; status: number }[] = [];
  const methods: string[] = [];
  const answer = async (incoming: Parameters<typeof readRequest>[0]): Promise<S3Response> => {
    const request = await readRequest(incoming);
    methods.push(request.method);
    const failure = failures.findIndex(({ method }) => method === request.method);
    const [next] = failure < 0 ? [] : failures.splice(failure, 1);
    if (next !== undefined) throw new CloudError('Unavailable', next.status, 'as the test wants');
    return handle(request);
  };
  const server = createServer((incoming, outgoing) => {
    void answer(incoming)
      .catch((error: unknown): S3Response => {
        const refusal =
          error instanceof CloudError ? error : new CloudError('InternalError', 500, 'error');
        return { status: refusal.status, body: renderS3Error(refusal, '/', 'request') };
      })
      .then(({ status, headers, body }) => outgoing.writeHead(status, { ...headers }).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    settings: { region: REGION, endpoint: `http://127.0.0.1:${port}`, allowHttp: true },
    keys: { accessKeyId, secretAccessKey, sessionToken },
    /** The next request of this method is refused. */
    refuseNext: (method: string, status: number) => void failures.push({ method, status }),
    /** Methods of all requests, in order. */
    listMethods: () => methods,
    listKeys: () => [...(objects?.keys() ?? [])],
    readObject: (key: string) => objects?.get(key)?.content.toString(),
    put: (key: string, text: string) =>
      void objects?.set(key, createStoredObject(Buffer.from(text), 'text/plain', Date.now())),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
};
