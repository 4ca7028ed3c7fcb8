import { applyMergePatch } from './merge-patch.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import {
  toJsonObject,
  type JsonObject,
  type ResourceStore,
  type StoredResource,
} from './resource-store.ts';

export type ApiRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly accept: string;
  readonly body: JsonObject;
  readonly username: string;
};

/** `body` is sent as JSON, or as it is if it is a text. */
export type ApiResponse = { readonly status: number; readonly body: object | string };

/** @returns why a change is refused; undefined: it is not */
export type AdmitRequest = (
  asked: Pick<ApiRequest, 'method' | 'path' | 'body' | 'username'>,
) => string | undefined;

/** An API server's answer to everything but a watch. */
export const createRequestHandler =
  (store: ResourceStore, tokens: ServiceAccountTokens, admit: AdmitRequest = () => undefined) =>
  async (asked: ApiRequest): Promise<ApiResponse> => {
    const { method, path } = asked;
    if (method === 'GET') return readObject(asked, store, tokens);
    const refusal = admit(asked);
    if (refusal !== undefined) return buildApiError(403, refusal);
    if (method === 'POST')
      return (await createFromPost(asked, tokens, store)) ?? createObject(asked, store);
    if (method === 'PATCH') return patchObject(asked, store);
    if (method === 'DELETE') return deleteObject(asked, store);
    return buildApiError(405, `${method} ${path}`);
  };

const readObject = (
  asked: ApiRequest,
  store: ResourceStore,
  tokens: ServiceAccountTokens,
): ApiResponse => {
  const { path, query } = asked;
  if (path === '/openid/v1/jwks') return { status: 200, body: tokens.jwks };
  if (path === '/.well-known/openid-configuration') {
    return { status: 200, body: { issuer: tokens.issuer, jwks_uri: `${tokens.issuer}/jwks` } };
  }
  const found = store.get(path);
  if (found !== undefined && path.endsWith('/log')) return readLog(found, query);
  if (found !== undefined) return { status: 200, body: found };
  return isCollection(path) ? listObjects(asked, store) : buildApiError(404, path);
};

/** A log is stored whole, as `text` of an object at its path. */
const readLog = ({ metadata, ...log }: StoredResource, query: URLSearchParams): ApiResponse => {
  const text = String(toJsonObject(log)['text']);
  const time = query.has('timestamps') ? `${metadata.creationTimestamp} ` : '';
  const limit = Number(query.get('limitBytes') ?? Infinity);
  return { status: 200, body: `${time}${text}`.slice(0, limit) };
};

/** Every second path segment is a resource type; a path that ends in one is a collection. */
const isCollection = (path: string): boolean =>
  /^\/(api\/v1|apis\/[^/]+\/[^/]+)(\/namespaces\/[^/]+)?\/[a-z]+$/.test(path);

const METADATA_LIST = 'PartialObjectMetadataList';

const listObjects = (
  { path, query, accept }: Pick<ApiRequest, 'path' | 'query' | 'accept'>,
  store: ResourceStore,
): ApiResponse => {
  const all = store.list(path).filter((object) => isSelected(object, query));
  const from = Number(query.get('continue') ?? 0);
  const end = from + Number(query.get('limit') ?? all.length);
  const more = end < all.length && { continue: String(end) };
  const metadata = { resourceVersion: String(store.version()), ...more };
  const isMetadata = accept.includes(`as=${METADATA_LIST}`);
  const kind = isMetadata ? METADATA_LIST : 'List';
  // As the real one does, which writes Go's nil slice.
  const items = isMetadata && end === 0 ? null : all.slice(from, end);
  return { status: 200, body: { kind, metadata, items } };
};

/** By one name, by one label or by none. */
export const isSelected = ({ metadata }: StoredResource, query: URLSearchParams): boolean => {
  const [, name] = /^metadata\.name=(.*)$/.exec(query.get('fieldSelector') ?? '') ?? [];
  const [label = '', value] = (query.get('labelSelector') ?? '').split('=');
  return (
    (name === undefined || metadata.name === name) &&
    (value === undefined || metadata.labels?.[label] === value)
  );
};

/** What is asked by creating it, and kept nowhere. */
const createFromPost = async (
  { path, body, username }: ApiRequest,
  tokens: ServiceAccountTokens,
  store: ResourceStore,
): Promise<ApiResponse | undefined> => {
  const spec = toJsonObject(body['spec']);
  if (path.endsWith('/selfsubjectreviews')) {
    return buildCreated({ ...body, status: { userInfo: { username, groups: [] } } });
  }
  // There is no authorization: everyone may do everything.
  if (/\/(self)?subjectaccessreviews$/.test(path)) {
    return buildCreated({ ...body, status: { allowed: true } });
  }
  if (path.endsWith('/tokenreviews')) {
    const audiences = spec['audiences'] as readonly string[];
    return buildCreated({ ...body, status: await tokens.review(String(spec['token']), audiences) });
  }
  const [, namespace, name] = TOKEN_REQUEST.exec(path) ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  return createToken({ namespace, name, spec }, tokens, store);
};

const TOKEN_REQUEST = /^\/api\/v1\/namespaces\/([^/]+)\/serviceaccounts\/([^/]+)\/token$/;

/** A TokenRequest bound to a pod, as a kubelet makes it. */
const createToken = async (
  { namespace, name, spec }: { namespace: string; name: string; spec: JsonObject },
  tokens: ServiceAccountTokens,
  store: ResourceStore,
): Promise<ApiResponse> => {
  const { name: podName } = spec['boundObjectRef'] as { name: string };
  const account = store.get(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}`);
  const pod = store.get(`/api/v1/namespaces/${namespace}/pods/${podName}`);
  if (account === undefined || pod === undefined)
    return buildApiError(404, `${name} or ${podName}`);
  const token = await tokens.sign({
    namespace,
    serviceAccount: { name, uid: account.metadata.uid },
    pod: {
      name: podName,
      uid: pod.metadata.uid,
      node: String(toJsonObject(pod['spec'])['nodeName']),
    },
    audiences: spec['audiences'] as readonly string[],
    lifetimeSeconds: Number(spec['expirationSeconds'] ?? 600),
  });
  return buildCreated({ kind: 'TokenRequest', spec, status: { token } });
};

const createObject = ({ path, body }: ApiRequest, store: ResourceStore): ApiResponse => {
  const { name } = toJsonObject(body['metadata']);
  if (typeof name !== 'string') return buildApiError(422, `${path}: metadata.name is missing`);
  const object = store.create(`${path}/${name}`, body);
  return object === undefined ? buildApiError(409, `${path}/${name} exists`) : buildCreated(object);
};

const patchObject = (
  { path, body, contentType }: ApiRequest,
  store: ResourceStore,
): ApiResponse => {
  const at = path.replace(/\/status$/, '');
  const found = store.get(at);
  if (found === undefined) return buildApiError(404, at);
  const { resourceVersion } = toJsonObject(body['metadata']);
  const isStale =
    resourceVersion !== undefined && resourceVersion !== found.metadata.resourceVersion;
  if (isStale) return buildApiError(409, `${at} has changed`);
  const change = at === path ? body : { status: body['status'] };
  const isStrategic = contentType === 'application/strategic-merge-patch+json';
  const object = store.replace(at, applyMergePatch(found, change, isStrategic) as JsonObject);
  return { status: 200, body: object };
};

const deleteObject = ({ path, body }: ApiRequest, store: ResourceStore): ApiResponse => {
  const found = store.get(path);
  if (found === undefined) return buildApiError(404, path);
  const { uid } = toJsonObject(body['preconditions']);
  if (uid !== undefined && uid !== found.metadata.uid)
    return buildApiError(409, `${path} is another`);
  store.remove(path);
  return { status: 200, body: { kind: 'Status', status: 'Success' } };
};

const buildCreated = (body: object): ApiResponse => ({ status: 201, body });

/** A Status, as API servers answer what they refuse. */
export const buildApiError = (code: number, message: string): ApiResponse => ({
  status: code,
  body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message },
});
