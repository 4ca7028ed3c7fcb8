import { randomUUID } from 'node:crypto';
import { TRUST_BUNDLE_CONFIG_MAP } from '../../../lib/contract/authority-api.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { execInPod, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { sendBatch } from '../agent/https-requests.ts';
import type { HttpsBatch, HttpsResponse, HttpsRequest } from '../agent/https-requests.ts';
import { cluster, recordIssued, testContext } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';

export type { HttpsResponse, HttpsRequest } from '../agent/https-requests.ts';

const { namespace } = testContext.release;
const authorityName = 'valetkey-authority';
export const authorityLabel = 'app.kubernetes.io/component=authority';

/** The default audience of exchange tokens. */
export const exchangeAudience = 'authority.valetkey.dev';
const servername = `${authorityName}.${namespace}.svc`;

type ReplicaPod = {
  metadata: { name: string; deletionTimestamp?: string };
  status: { podIP: string; containerStatuses: { restartCount: number }[] };
};

export type AuthorityReplica = { name: string; address: string; restarts: number };

export const listReplicas = async (): Promise<AuthorityReplica[]> => {
  const where = ['pods', '-n', namespace, '-l', authorityLabel];
  const { items } = await getJson<{ items: ReplicaPod[] }>(cluster, where);
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, status }) => ({
      name: metadata.name,
      address: status.podIP,
      restarts: status.containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
    }));
};

/** Reads the metrics of one replica through the API server's proxy. */
export const readTelemetry = async (replica: string): Promise<string> => {
  const path = `/api/v1/namespaces/${namespace}/pods/${replica}:9446/proxy/metrics`;
  return (await runKubectl(cluster, ['get', '--raw', path])).stdout;
};

type AuthorityAccess = Pick<HttpsBatch, 'endpoint' | 'ca' | 'servername'>;

let pendingAccess: Promise<AuthorityAccess> | undefined;

/** Returns the cluster IP of the authority's Service. */
export const getAuthorityAddress = async (): Promise<string> => {
  const where = ['service', authorityName, '-n', namespace];
  return (await getJson<{ spec: { clusterIP: string } }>(cluster, where)).spec.clusterIP;
};

/** Reads what sidecars use to reach the authority: the Service's address and the trust bundle. */
const readAccess = async (): Promise<AuthorityAccess> => {
  const [address, bundle] = await Promise.all([
    getAuthorityAddress(),
    getJson<{ data: Record<string, string> }>(cluster, [
      'configmap',
      TRUST_BUNDLE_CONFIG_MAP,
      '-n',
      namespace,
    ]),
  ]);
  const ca = bundle.data['ca-bundle.pem'] ?? '';
  return { endpoint: `https://${address}`, ca, servername };
};

type SendOptions = {
  concurrency?: number;
  /** Of a replica; default: the Service. */ address?: string;
};

/** Sends requests from the node, as any client in the cluster's network could. */
export const sendAll = async (
  requests: HttpsRequest[],
  options: SendOptions = {},
): Promise<HttpsResponse[]> => recordReplies(await sendBatch(await buildBatch(requests, options)));

/** Sends requests from a pod's address, as a process in the pod could. */
export const sendAllFrom = async (
  { container = 'agent', ...place }: PodRef,
  requests: HttpsRequest[],
  options: SendOptions = {},
): Promise<HttpsResponse[]> => {
  const command = ['/usr/bin/node', '/app/agent.mjs', 'send'];
  // On standard input, because a command is recorded in the API server's audit log.
  const input = JSON.stringify(await buildBatch(requests, options));
  // Ceph RGW needs a second for each run of a flood.
  const limited = { input, timeoutMs: 360_000 };
  const { stdout } = await execInPod(cluster, { container, ...place }, command, limited);
  return recordReplies(JSON.parse(stdout) as HttpsResponse[]);
};

/** Sends a request until the response is not 503 with Retry-After, which is correct on a slow machine. */
export const sendOne = (request: HttpsRequest, options: SendOptions = {}): Promise<HttpsResponse> =>
  untilAnswered(async () => takeOnly(await sendAll([request], options)));

export const sendOneFrom = (
  place: PodRef,
  request: HttpsRequest,
  options: SendOptions = {},
): Promise<HttpsResponse> =>
  untilAnswered(async () => takeOnly(await sendAllFrom(place, [request], options)));

const untilAnswered = (send: () => Promise<HttpsResponse>): Promise<HttpsResponse> =>
  waitFor('a response of the authority other than 503', async () => {
    const reply = await send();
    return !isLater(reply) && reply;
  });

export const isLater = ({ status, headers }: HttpsResponse): boolean =>
  status === 503 && headers['retry-after'] !== undefined;

const buildBatch = async (
  requests: HttpsRequest[],
  { concurrency = 1, address }: SendOptions,
): Promise<HttpsBatch> => {
  pendingAccess ??= readAccess();
  const { endpoint, ...trust } = await pendingAccess;
  const there = address === undefined ? endpoint : `https://${address}:9445`;
  return { ...trust, endpoint: there, requests, concurrency };
};

const takeOnly = ([reply]: HttpsResponse[]): HttpsResponse => {
  if (reply === undefined) throw new Error('expected one response, got none');
  return reply;
};

/** Records issued credentials as secrets. */
const recordReplies = (replies: HttpsResponse[]): HttpsResponse[] => {
  for (const { status, body } of replies) if (status === 200) recordIssuedBody(body);
  return replies;
};

const recordIssuedBody = (body: string): void => {
  const { access_token: token } = JSON.parse(body) as { access_token?: string };
  if (token === undefined) return;
  recordIssued(JSON.parse(Buffer.from(token, 'base64url').toString()));
};

export type TokenExchangeOptions = {
  /** Exchange token of the pod. */
  token: string;
  task?: string;
  consumer?: string;
  params?: Record<string, string>;
  /** Finds the record of the request. */
  purpose: string;
  /** ID token of the user for whom the agent acts. */
  userToken?: string;
};

/** Creates a unique purpose. */
export const createPurpose = (): string => `test ${randomUUID()}`;

const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

/** Builds `POST /v1/token` as a sidecar sends it (RFC 8693). */
export const buildTokenRequest = ({
  token,
  userToken,
  ...options
}: TokenExchangeOptions): HttpsRequest => {
  const { task = 'read', consumer = 'agent', params = {}, purpose } = options;
  const details = [{ type: 'valetkey.dev/task', task, consumer, params, purpose }];
  const forItself = { subject_token: token, subject_token_type: JWT_TYPE };
  const forHuman = {
    subject_token: userToken ?? '',
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    actor_token: token,
    actor_token_type: JWT_TYPE,
  };
  return buildPost('/v1/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    ...(userToken === undefined ? forItself : forHuman),
    authorization_details: JSON.stringify(details),
  });
};

export const buildPost = (path: string, fields: Record<string, string>): HttpsRequest => ({
  method: 'POST',
  path,
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
});

export type TokenErrorBody = {
  error: string;
  error_description: string;
  reason: string;
  policies?: string[];
};

export const parseTokenError = ({ body }: HttpsResponse): TokenErrorBody =>
  JSON.parse(body) as TokenErrorBody;
