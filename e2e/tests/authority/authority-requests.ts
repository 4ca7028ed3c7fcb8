import { randomUUID } from 'node:crypto';
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

/** The audience of exchange tokens, unless the chart is told another. */
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

/** The metrics of one replica, as the API server fetches them. */
export const readTelemetry = async (replica: string): Promise<string> => {
  const path = `/api/v1/namespaces/${namespace}/pods/${replica}:9446/proxy/metrics`;
  return (await runKubectl(cluster, ['get', '--raw', path])).stdout;
};

type AuthorityAccess = Pick<HttpsBatch, 'endpoint' | 'ca' | 'servername'>;

let pendingAccess: Promise<AuthorityAccess> | undefined;

/** Of its Service. */
export const getAuthorityAddress = async (): Promise<string> => {
  const where = ['service', authorityName, '-n', namespace];
  return (await getJson<{ spec: { clusterIP: string } }>(cluster, where)).spec.clusterIP;
};

/** How to reach it as sidecars do: its Service, by the roots that they are told to trust. */
const readAccess = async (): Promise<AuthorityAccess> => {
  const [address, roots] = await Promise.all([
    getAuthorityAddress(),
    getJson<{ data: Record<string, string> }>(cluster, [
      'configmap',
      `${authorityName}-roots`,
      '-n',
      namespace,
    ]),
  ]);
  const ca = roots.data['roots.pem'] ?? '';
  return { endpoint: `https://${address}`, ca, servername };
};

type SendOptions = {
  lanes?: number;
  /** A replica's; the Service's unless given. */ address?: string;
};

/** Sends from the node: what a stranger in the cluster's network could send. */
export const sendAll = async (
  wishes: HttpsRequest[],
  options: SendOptions = {},
): Promise<HttpsResponse[]> => recordReplies(await sendBatch(await buildBatch(wishes, options)));

/** Sends from a pod's own address, as whoever holds its token there. */
export const sendAllFrom = async (
  { container = 'agent', ...place }: PodRef,
  wishes: HttpsRequest[],
  options: SendOptions = {},
): Promise<HttpsResponse[]> => {
  const command = ['/usr/bin/node', '/app/agent.mjs', 'send'];
  // By standard input: what stands in a command stands in the API server's audit log, too.
  const input = JSON.stringify(await buildBatch(wishes, options));
  const { stdout } = await execInPod(cluster, { container, ...place }, command, { input });
  return recordReplies(JSON.parse(stdout) as HttpsResponse[]);
};

/** Asks again while the authority says only when to ask again: a correct answer on a slow machine. */
export const sendOne = (wish: HttpsRequest, options: SendOptions = {}): Promise<HttpsResponse> =>
  untilAnswered(async () => takeOnly(await sendAll([wish], options)));

export const sendOneFrom = (
  place: PodRef,
  wish: HttpsRequest,
  options: SendOptions = {},
): Promise<HttpsResponse> =>
  untilAnswered(async () => takeOnly(await sendAllFrom(place, [wish], options)));

const untilAnswered = (send: () => Promise<HttpsResponse>): Promise<HttpsResponse> =>
  waitFor('an answer of the authority other than 503', async () => {
    const reply = await send();
    return !isLater(reply) && reply;
  });

export const isLater = ({ status, headers }: HttpsResponse): boolean =>
  status === 503 && headers['retry-after'] !== undefined;

const buildBatch = async (
  wishes: HttpsRequest[],
  { lanes = 1, address }: SendOptions,
): Promise<HttpsBatch> => {
  pendingAccess ??= readAccess();
  const { endpoint, ...trust } = await pendingAccess;
  const there = address === undefined ? endpoint : `https://${address}:9445`;
  return { ...trust, endpoint: there, wishes, lanes };
};

const takeOnly = ([reply]: HttpsResponse[]): HttpsResponse => {
  if (reply === undefined) throw new Error('a request without a reply');
  return reply;
};

/** What was issued to a raw request is a secret like any other. */
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
  /** The pod's. */
  token: string;
  task?: string;
  consumer?: string;
  params?: Record<string, string>;
  /** By which its record is found. */
  purpose: string;
  /** The ID token of a human. */
  userToken?: string;
};

/** A purpose that no other request has. */
export const createPurpose = (): string => `story ${randomUUID()}`;

const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

/** `POST /v1/token` as a sidecar sends it: RFC 8693. */
export const buildTokenRequest = ({
  token,
  userToken,
  ...wish
}: TokenExchangeOptions): HttpsRequest => {
  const { task = 'read', consumer = 'agent', params = {}, purpose } = wish;
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
