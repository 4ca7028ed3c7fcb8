import { randomUUID } from 'node:crypto';
import { execInPod, getJson, kubectl, waitFor } from '../../cluster/kubectl.ts';
import { sendBatch } from '../agent/https-requests.ts';
import type { Batch, Reply, Wish } from '../agent/https-requests.ts';
import { cluster, recordIssued, stage } from '../stage.ts';
import type { Place } from '../stage.ts';

export type { Reply, Wish } from '../agent/https-requests.ts';

const { namespace } = stage.release;
const name = 'valetkey-authority';
export const authorityLabel = 'app.kubernetes.io/component=authority';

/** The audience of exchange tokens, unless the chart is told another. */
export const exchangeAudience = 'authority.valetkey.dev';
const servername = `${name}.${namespace}.svc`;

type ReplicaPod = {
  metadata: { name: string; deletionTimestamp?: string };
  status: { podIP: string; containerStatuses: { restartCount: number }[] };
};

export type Replica = { name: string; address: string; restarts: number };

export const replicas = async (): Promise<Replica[]> => {
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
  return (await kubectl(cluster, ['get', '--raw', path])).stdout;
};

type Access = Pick<Batch, 'endpoint' | 'ca' | 'servername'>;

let access: Promise<Access> | undefined;

/** Of its Service. */
export const authorityAddress = async (): Promise<string> => {
  const where = ['service', name, '-n', namespace];
  return (await getJson<{ spec: { clusterIP: string } }>(cluster, where)).spec.clusterIP;
};

/** How to reach it as sidecars do: its Service, by the roots that they are told to trust. */
const readAccess = async (): Promise<Access> => {
  const [address, roots] = await Promise.all([
    authorityAddress(),
    getJson<{ data: Record<string, string> }>(cluster, [
      'configmap',
      `${name}-roots`,
      '-n',
      namespace,
    ]),
  ]);
  const ca = roots.data['roots.pem'] ?? '';
  return { endpoint: `https://${address}`, ca, servername };
};

type Addressed = {
  lanes?: number;
  /** A replica's; the Service's unless given. */ address?: string;
};

/** Sends from the node: what a stranger in the cluster's network could send. */
export const askAll = async (wishes: Wish[], options: Addressed = {}): Promise<Reply[]> =>
  noted(await sendBatch(await batchOf(wishes, options)));

/** Sends from a pod's own address, as whoever holds its token there. */
export const askAllFrom = async (
  { container = 'agent', ...place }: Place,
  wishes: Wish[],
  options: Addressed = {},
): Promise<Reply[]> => {
  const command = ['/usr/bin/node', '/app/agent.mjs', 'send'];
  // By standard input: what stands in a command stands in the API server's audit log, too.
  const input = JSON.stringify(await batchOf(wishes, options));
  const { stdout } = await execInPod(cluster, { container, ...place }, command, { input });
  return noted(JSON.parse(stdout) as Reply[]);
};

/** Asks again while the authority says only when to ask again: a correct answer on a slow machine. */
export const ask = (wish: Wish, options: Addressed = {}): Promise<Reply> =>
  untilAnswered(async () => only(await askAll([wish], options)));

export const askFrom = (place: Place, wish: Wish, options: Addressed = {}): Promise<Reply> =>
  untilAnswered(async () => only(await askAllFrom(place, [wish], options)));

const untilAnswered = (send: () => Promise<Reply>): Promise<Reply> =>
  waitFor('an answer of the authority other than 503', async () => {
    const reply = await send();
    return !isLater(reply) && reply;
  });

export const isLater = ({ status, headers }: Reply): boolean =>
  status === 503 && headers['retry-after'] !== undefined;

const batchOf = async (wishes: Wish[], { lanes = 1, address }: Addressed): Promise<Batch> => {
  access ??= readAccess();
  const { endpoint, ...trust } = await access;
  const there = address === undefined ? endpoint : `https://${address}:9445`;
  return { ...trust, endpoint: there, wishes, lanes };
};

const only = ([reply]: Reply[]): Reply => {
  if (reply === undefined) throw new Error('a request without a reply');
  return reply;
};

/** What was issued to a raw request is a secret like any other. */
const noted = (replies: Reply[]): Reply[] => {
  for (const { status, body } of replies) if (status === 200) noteIssued(body);
  return replies;
};

const noteIssued = (body: string): void => {
  const { access_token: token } = JSON.parse(body) as { access_token?: string };
  if (token === undefined) return;
  recordIssued(JSON.parse(Buffer.from(token, 'base64url').toString()));
};

export type TokenWish = {
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
export const newPurpose = (): string => `story ${randomUUID()}`;

const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

/** `POST /v1/token` as a sidecar sends it: RFC 8693. */
export const tokenRequest = ({ token, userToken, ...wish }: TokenWish): Wish => {
  const { task = 'read', consumer = 'agent', params = {}, purpose } = wish;
  const details = [{ type: 'valetkey.dev/task', task, consumer, params, purpose }];
  const forItself = { subject_token: token, subject_token_type: JWT_TYPE };
  const forHuman = {
    subject_token: userToken ?? '',
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    actor_token: token,
    actor_token_type: JWT_TYPE,
  };
  return post('/v1/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    ...(userToken === undefined ? forItself : forHuman),
    authorization_details: JSON.stringify(details),
  });
};

export const post = (path: string, fields: Record<string, string>): Wish => ({
  method: 'POST',
  path,
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
});

export type Refused = {
  error: string;
  error_description: string;
  reason: string;
  policies?: string[];
};

export const refusedBody = ({ body }: Reply): Refused => JSON.parse(body) as Refused;
