import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as pass } from 'node:timers/promises';
import { createBodyBuffers } from '../lib/calls/body-buffers.ts';
import { createOriginFinder } from '../lib/calls/cloud-origins.ts';
import type { EndedCall } from '../lib/calls/ended-call.ts';
import type { TaskStatement } from '../lib/contract/task.ts';
import { createCallHandler } from '../lib/edge/gateway/call-handler.ts';
import { createTableLoader } from '../lib/edge/gateway/operation-tables.ts';
import { createGatewayServer } from '../lib/edge/http/gateway-listener.ts';
import { createUpstreamClient } from '../lib/edge/http/upstream-client.ts';
import { createLocalKeys } from '../lib/runs/local-keys.ts';
import { createTextSigner, type AwsKeys } from '../lib/signing/signing-keys.ts';
import { startStrictCloud, type CloudRequest } from './strict-cloud.ts';

export const REGION = 'eu-central-1';
/** The only time: signatures of a seed are equal in every run. */
export const NOW_MS = Date.parse('2026-11-28T12:00:00Z');
const MAX_BODY_BYTES = 64 * 1024;
/** `Host` on the listener, whatever port it has. */
export const HOST = '127.0.0.1:9473';

/** Of the cloud; none may be seen by a client. */
export const CLOUD_KEYS: AwsKeys = {
  accessKeyId: 'ASIACLOUDKEY12345678',
  secretAccessKey: 'the-secret-of-the-cloud',
  sessionToken: 'the-token-of-the-cloud',
};

const ALLOW: readonly TaskStatement[] = [
  {
    actions: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
    resources: ['arn:aws:s3:::acme-data/reports/*'],
  },
  { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/*/public/*'] },
  { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::team-*/open'] },
  { actions: ['s3:ListBucket'], resources: ['arn:aws:s3:::acme-data'] },
  {
    actions: ['dynamodb:GetItem', 'dynamodb:PutItem'],
    resources: [`arn:aws:dynamodb:${REGION}:111122223333:table/orders`],
  },
  {
    actions: ['sqs:SendMessage'],
    resources: [`arn:aws:sqs:${REGION}:111122223333:orders`],
  },
  { actions: ['cloudwatch:PutMetricData'], resources: ['*'] },
];

const OWNERS = [
  { consumer: 'agent', task: 'summarize' },
  { consumer: 'other', task: 'summarize' },
];

const createKeys = () => {
  const seeds = new Map(
    OWNERS.map(({ consumer }, index) => [consumer, Buffer.alloc(32, index + 1)]),
  );
  const localKeys = createLocalKeys({
    seeds,
    tasks: OWNERS,
    randomBytes: (size) => Buffer.alloc(size),
  });
  const [agent, other] = OWNERS.map((owner) => localKeys.forTask(owner));
  if (agent === undefined || other === undefined) throw new Error('expected keys of two consumers');
  return { find: localKeys.find, agent, other };
};

/** Local keys by who holds them: the attacker has the first. */
export const LOCAL_KEYS = createKeys();

/** What became of the bytes of one connection. */
export type Trace = {
  readonly outcomes: readonly EndedCall[];
  readonly requests: readonly CloudRequest[];
  readonly faults: readonly string[];
  /** All bytes that the client received. */
  readonly received: Buffer;
};

export type GatewayHarness = {
  /** Sends pieces on a new connection of the agent's own socket and waits until nothing moves. */
  readonly exchange: (pieces: readonly Buffer[]) => Promise<Trace>;
  readonly close: () => Promise<void>;
};

/** Resolves when the server has read all bytes and waits for more of them, or has closed. */
const waitUntilSettled = async (
  client: Socket,
  server: Socket,
  { bytes, open }: { bytes: number; open: ReadonlySet<IncomingMessage> },
): Promise<void> => {
  let idleTurns = 0;
  while (!client.destroyed && idleTurns < 5) {
    await pass();
    const isRead = server.destroyed || server.bytesRead >= bytes;
    const isStuck = [...open].every(({ complete, destroyed }) => !complete || destroyed);
    idleTurns = isRead && isStuck ? idleTurns + 1 : 0;
  }
};

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

/** Starts the real listener and handler in front of a cloud that records. */
export const startGatewayHarness = async (): Promise<GatewayHarness> => {
  const cloud = await startStrictCloud();
  const upstream = createUpstreamClient({}, { isAllowedAddress: () => true });
  const open = new Set<IncomingMessage>();
  let outcomes: EndedCall[] = [];
  const signText = createTextSigner();
  const handle = createCallHandler({
    getHost: () => HOST,
    dialect: 's3',
    findKeys: LOCAL_KEYS.find,
    resolveRun: () =>
      Promise.resolve({
        run: 'run-1',
        task: 'summarize',
        allow: ALLOW,
        account: '111122223333',
        keys: CLOUD_KEYS,
        signText,
        signal: new AbortController().signal,
        endWithRun: () => undefined,
        release: () => undefined,
        expire: () => undefined,
      }),
    findService: createTableLoader(),
    findOrigin: createOriginFinder({
      region: REGION,
      dialect: 's3',
      endpoints: ['s3', 'dynamodb', 'sqs', 'monitoring'].map((service) => ({
        service,
        url: cloud.origin,
      })),
    }),
    forward: upstream.forward,
    signText,
    buffers: createBodyBuffers(
      { maxBodyBytes: MAX_BODY_BYTES, bufferBytes: 4 * MAX_BODY_BYTES },
      { schedule: () => () => undefined },
    ),
    maxBodyBytes: MAX_BODY_BYTES,
    clock: { now: () => NOW_MS, monotonic: () => performance.now() },
    createId: () => 'call',
    identified: () => undefined,
    isJournalBlocked: () => false,
    begun: () => undefined,
    report: (outcome) => outcomes.push(outcome),
  });
  const { server, close: closeServer } = createGatewayServer((incoming, outgoing) => {
    open.add(incoming);
    void handle(incoming, outgoing, 'agent').finally(() => open.delete(incoming));
  });
  const port = await listen(server);

  const exchange = async (pieces: readonly Buffer[]): Promise<Trace> => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connect(port, '127.0.0.1').setNoDelay();
    const received: Buffer[] = [];
    client.on('data', (chunk: Buffer) => received.push(chunk));
    client.on('error', () => undefined);
    const closed = new Promise((resolve) => client.once('close', resolve));
    const [accepting] = await accepted;
    let bytes = 0;
    for (const piece of pieces) {
      if (!client.destroyed) client.write(piece);
      bytes += piece.length;
      await pass();
    }
    await waitUntilSettled(client, accepting, { bytes, open });
    client.end();
    await closed;
    while (open.size > 0) await pass();
    const trace = { outcomes, ...cloud.take(), received: Buffer.concat(received) };
    outcomes = [];
    return trace;
  };

  return {
    exchange,
    close: async () => {
      await closeServer();
      await upstream.close();
      await cloud.close();
    },
  };
};
