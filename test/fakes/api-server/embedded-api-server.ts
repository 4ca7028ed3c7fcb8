import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { stringify } from 'yaml';
import {
  createCertificateAuthority,
  signLeaf,
} from '../../../lib/certificate/certificate-authority.ts';
import {
  createRequestHandler,
  buildApiError,
  type AdmitRequest,
  type ApiResponse,
} from './request-handler.ts';
import { createServiceAccountTokens } from './service-account-tokens.ts';
import {
  createResourceStore,
  toJsonObject,
  type JsonObject,
  type ResourceStore,
} from './resource-store.ts';
import { createUserRegistry } from './user-registry.ts';
import { streamWatchEvents } from './watch-stream.ts';

export type EmbeddedApiServer = {
  /** What is kept, by path: `/api/v1/namespaces/default/pods/agent`. */
  readonly objects: ResourceStore;
  /** A kubeconfig, YAML, for a user whom it makes. */
  readonly buildKubeconfigFor: (username: string) => string;
  /** Asks as an API server's own parts do. */
  readonly request: (method: string, path: string, body?: JsonObject) => Promise<ApiResponse>;
  /** Requests that arrived over HTTPS, watches included. */
  readonly countRequests: () => number;
  readonly close: () => Promise<void>;
};

const NAME = 'kubernetes.default.svc';
const LIFETIME_MS = 24 * 3_600_000;
/** Age of its certificates. */
const AGE_MS = 3_600_000;
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/**
 * Starts a small API server on a free loopback port, over HTTPS, in memory.
 *
 * @param admit what an admission policy says of a change
 */
export const startEmbeddedApiServer = async (
  now: () => number,
  admit?: AdmitRequest,
): Promise<EmbeddedApiServer> => {
  const objects = createResourceStore({ now, newUid: randomUUID });
  const users = createUserRegistry();
  const answer = createRequestHandler(objects, await createServiceAccountTokens(now), admit);
  let requests = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests += 1;
    const { pathname: path, searchParams: query } = new URL(request.url ?? '/', 'https://any');
    const username = users.find(request.headers.authorization);
    if (username === undefined) {
      sendResponse(response, buildApiError(401, 'Unauthorized'));
      return;
    }
    if (query.has('watch')) {
      streamWatchEvents(objects, { path, query }, response);
      return;
    }
    const { method = '' } = request;
    const { accept = '', 'content-type': contentType = '' } = request.headers;
    const body = await readBody(request);
    sendResponse(
      response,
      await answer({ method, path, query, contentType, accept, body, username }),
    );
  };
  // As in a cluster that is not new: a client whose clock is behind can connect.
  const terms = { now: now() - AGE_MS, lifetimeMs: LIFETIME_MS };
  const authority = await createCertificateAuthority(terms);
  const leaf = await signLeaf(authority, { ...terms, names: [NAME] });
  const server = createServer({ cert: leaf.certificate, key: leaf.key }, (request, response) => {
    handle(request, response).catch((error: unknown) =>
      sendResponse(
        response,
        buildApiError(400, error instanceof Error ? error.message : 'a bad request'),
      ),
    );
  });
  // Clients keep connections: one that closes first races the next request.
  server.keepAliveTimeout = 95_000;
  const url = `https://127.0.0.1:${await startListening(server)}`;
  return {
    objects,
    buildKubeconfigFor: (username) =>
      buildKubeconfig({ url, ca: authority.certificate, username, token: users.add(username) }),
    request: (method, path, body = {}) => {
      const { pathname, searchParams: query } = new URL(path, url);
      const asked = { method, path: pathname, query, body, username: 'system:apiserver' };
      return answer({ ...asked, contentType: 'application/merge-patch+json', accept: '' });
    },
    countRequests: () => requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

const startListening = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

/** @throws Error for one that is too long, or no JSON */
const readBody = async (request: IncomingMessage): Promise<JsonObject> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return size === 0 ? {} : toJsonObject(JSON.parse(Buffer.concat(chunks).toString()));
};

const sendResponse = (response: ServerResponse, { status, body }: ApiResponse): void => {
  const isText = typeof body === 'string';
  const text = isText ? body : JSON.stringify(body);
  const headers = {
    'content-type': isText ? 'text/plain' : 'application/json',
    'content-length': Buffer.byteLength(text),
  };
  response.writeHead(status, headers).end(text);
};

const buildKubeconfig = (given: {
  readonly url: string;
  readonly ca: string;
  readonly username: string;
  readonly token: string;
}): string => {
  const cluster = {
    server: given.url,
    'tls-server-name': NAME,
    'certificate-authority-data': Buffer.from(given.ca).toString('base64'),
  };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'embedded', cluster }],
    users: [{ name: given.username, user: { token: given.token } }],
    contexts: [{ name: 'embedded', context: { cluster: 'embedded', user: given.username } }],
    'current-context': 'embedded',
  });
};
