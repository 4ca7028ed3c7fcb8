import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CloudError } from './cloud-error.ts';
import { readRequest } from './http-request.ts';
import type { CloudPlan } from './plan.ts';
import { createBuckets } from './s3/buckets.ts';
import type { S3Answer } from './s3/operations.ts';
import { answerS3 } from './s3/requests.ts';
import { assumeRolesOf } from './sts/assume-role.ts';
import { holdSessions, type Session, type Sessions } from './sts/sessions.ts';
import { s3Refusal, stsAnswer, stsRefusal } from './xml.ts';

/** What was asked and how it was answered; nothing secret. */
export type CloudEvent = {
  readonly service: 'sts' | 's3';
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly code?: string;
  /** As the caller was told it, too. */
  readonly requestId: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly sourceIp: string;
  /** Whose keys the request names, where they are known; see {@link Session}. */
  readonly arn?: string;
};

export type EmbeddedCloud = {
  /** STS and S3 alike, as at MinIO and RGW. */
  readonly endpoint: string;
  /** Every session issued, for a search after secrets. */
  readonly issued: () => readonly Session[];
  /** Every request answered, in order. */
  readonly events: () => readonly CloudEvent[];
  readonly close: () => Promise<void>;
};

type Answered = S3Answer & { readonly code?: string };
type Answers = (incoming: IncomingMessage, requestId: string) => Promise<Answered>;

/** Starts a small STS and S3 on a free loopback port, over HTTP. */
export const startEmbeddedCloud = async (plan: CloudPlan): Promise<EmbeddedCloud> => {
  const sessions = holdSessions();
  const events: CloudEvent[] = [];
  const answers = { sts: stsAnswers(plan, sessions), s3: s3Answers(plan, sessions) };

  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '/' } = incoming;
    const path = url.replace(/\?.*$/s, '');
    const service = method === 'POST' && path === '/' ? 'sts' : 's3';
    const requestId = randomUUID();
    void answers[service](incoming, requestId).then((answered) => {
      const { status, code } = answered;
      const refusal = code === undefined ? {} : { code };
      const caller = callerOf(incoming, sessions);
      const asked = { service, method, path, at: plan.now(), ...caller } as const;
      events.push({ ...asked, status, ...refusal, requestId });
      send(outgoing, answered);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    issued: sessions.issued,
    events: () => events,
    close: () => closeServer(server),
  };
};

/** Who asked, for the record: whether the signature was right is another matter. */
const callerOf = (
  { headers, socket }: IncomingMessage,
  sessions: Sessions,
): Pick<CloudEvent, 'sourceIp' | 'arn'> => {
  const sourceIp = socket.remoteAddress ?? '';
  const [, accessKeyId = ''] = /Credential=([^/]+)\//.exec(headers.authorization ?? '') ?? [];
  const arn = sessions.find(accessKeyId)?.arn;
  return { sourceIp, ...(arn !== undefined && { arn }) };
};

const stsAnswers = (plan: CloudPlan, sessions: Sessions): Answers => {
  const assumeRole = assumeRolesOf(plan, sessions);
  return async (incoming, requestId) => {
    const headers = { 'content-type': 'text/xml', 'x-amzn-requestid': requestId };
    try {
      const { body, sourceIp } = await readRequest(incoming);
      const result = await assumeRole(new URLSearchParams(body.toString()), sourceIp);
      const answer = stsAnswer('AssumeRoleWithWebIdentity', result, requestId);
      return { status: 200, headers, body: answer };
    } catch (error) {
      const refusal = asCloudError(error);
      const { status, code } = refusal;
      return { status, code, headers, body: stsRefusal(refusal, requestId) };
    }
  };
};

const s3Answers = (plan: CloudPlan, sessions: Sessions): Answers => {
  const buckets = createBuckets(plan.buckets, plan.now());
  const answer = answerS3({ region: plan.region, buckets, sessions, now: plan.now });
  return async (incoming, requestId) => {
    const id = { 'x-amz-request-id': requestId };
    try {
      const answered = await answer(await readRequest(incoming));
      return { ...answered, headers: { ...id, ...answered.headers } };
    } catch (error) {
      const refusal = asCloudError(error);
      const { status, code } = refusal;
      const body = s3Refusal(refusal, incoming.url ?? '/', requestId);
      return { status, code, headers: { ...id, 'content-type': 'application/xml' }, body };
    }
  };
};

/** A bug of ours answers opaquely, as a cloud would. */
const asCloudError = (error: unknown): CloudError =>
  error instanceof CloudError
    ? error
    : new CloudError('InternalError', 500, 'We encountered an internal error.');

const send = (outgoing: ServerResponse, { status, headers, body }: S3Answer): void => {
  outgoing.writeHead(status, { ...headers });
  // Node drops a body that HEAD may not have.
  outgoing.end(body);
};

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
