import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CloudError } from './cloud-error.ts';
import { readRequest } from './http-request.ts';
import type { CloudPlan } from './cloud-plan.ts';
import { createBuckets } from './s3/bucket-store.ts';
import type { S3Response } from './s3/s3-operations.ts';
import { createS3Handler } from './s3/s3-handler.ts';
import { createAssumeRole } from './sts/assume-role.ts';
import { createSessions, type Session, type Sessions } from './sts/sessions.ts';
import { renderS3Error, renderStsResponse, renderStsError } from './xml.ts';

/** What was asked and how it was answered; nothing secret. */
export type CloudEvent = {
  readonly service: 'sts' | 's3';
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly code?: string;
  /** As in the response to the caller. */
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
  readonly listSessions: () => readonly Session[];
  /** Every request answered, in order. */
  readonly listEvents: () => readonly CloudEvent[];
  /** Whether a request for this path has arrived, perhaps in part, that is not answered yet. */
  readonly isReceiving: (path: string) => boolean;
  readonly close: () => Promise<void>;
};

type HandledRequest = S3Response & { readonly code?: string };
type RequestHandler = (incoming: IncomingMessage, requestId: string) => Promise<HandledRequest>;

/** Starts a small STS and S3 on a free port, over HTTP. */
export const startEmbeddedCloud = async (plan: CloudPlan): Promise<EmbeddedCloud> => {
  const sessions = createSessions();
  const events: CloudEvent[] = [];
  const inFlight = new Map<IncomingMessage, string>();
  const answers = {
    sts: createStsRequestHandler(plan, sessions),
    s3: createS3RequestHandler(plan, sessions),
  };

  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '/' } = incoming;
    const path = url.replace(/\?.*$/s, '');
    const service = method === 'POST' && path === '/' ? 'sts' : 's3';
    const requestId = randomUUID();
    inFlight.set(incoming, path);
    void answers[service](incoming, requestId).then((answered) => {
      const { status, code } = answered;
      const refusal = code === undefined ? {} : { code };
      const caller = findCaller(incoming, sessions);
      const asked = { service, method, path, at: plan.now(), ...caller } as const;
      inFlight.delete(incoming);
      events.push({ ...asked, status, ...refusal, requestId });
      sendResponse(outgoing, answered);
    });
  });
  const { host = '127.0.0.1' } = plan;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://${host}:${port}`,
    listSessions: sessions.list,
    listEvents: () => events,
    isReceiving: (path) => [...inFlight.values()].includes(path),
    close: () => closeServer(server),
  };
};

/** Who asked, for the record: whether the signature was right is another matter. */
const findCaller = (
  { headers, socket }: IncomingMessage,
  sessions: Sessions,
): Pick<CloudEvent, 'sourceIp' | 'arn'> => {
  const sourceIp = socket.remoteAddress ?? '';
  const [, accessKeyId = ''] = /Credential=([^/]+)\//.exec(headers.authorization ?? '') ?? [];
  const arn = sessions.find(accessKeyId)?.arn;
  return { sourceIp, ...(arn !== undefined && { arn }) };
};

const createStsRequestHandler = (plan: CloudPlan, sessions: Sessions): RequestHandler => {
  const assumeRole = createAssumeRole(plan, sessions);
  return async (incoming, requestId) => {
    const headers = { 'content-type': 'text/xml', 'x-amzn-requestid': requestId };
    try {
      const { body, sourceIp } = await readRequest(incoming);
      const result = await assumeRole(new URLSearchParams(body.toString()), sourceIp);
      const answer = renderStsResponse('AssumeRoleWithWebIdentity', result, requestId);
      return { status: 200, headers, body: answer };
    } catch (error) {
      const refusal = toCloudError(error);
      const { status, code } = refusal;
      return { status, code, headers, body: renderStsError(refusal, requestId) };
    }
  };
};

const createS3RequestHandler = (plan: CloudPlan, sessions: Sessions): RequestHandler => {
  const buckets = createBuckets(plan.buckets, plan.now());
  const answer = createS3Handler({ region: plan.region, buckets, sessions, now: plan.now });
  return async (incoming, requestId) => {
    const id = { 'x-amz-request-id': requestId };
    try {
      const answered = await answer(await readRequest(incoming));
      return { ...answered, headers: { ...id, ...answered.headers } };
    } catch (error) {
      const refusal = toCloudError(error);
      const { status, code } = refusal;
      const body = renderS3Error(refusal, incoming.url ?? '/', requestId);
      return { status, code, headers: { ...id, 'content-type': 'application/xml' }, body };
    }
  };
};

/** An internal error returns no details, as in a real cloud. */
const toCloudError = (error: unknown): CloudError =>
  error instanceof CloudError
    ? error
    : new CloudError('InternalError', 500, 'We encountered an internal error.');

const sendResponse = (outgoing: ServerResponse, { status, headers, body }: S3Response): void => {
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
