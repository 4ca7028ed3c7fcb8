import { merged } from './merging.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import { membersOf, type Members, type Store, type Stored } from './store.ts';

export type Asked = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly body: Members;
  readonly username: string;
};

export type Answered = { readonly status: number; readonly body: object };

/** An API server's answer to everything but a watch. */
export const answersOf =
  (store: Store, tokens: ServiceAccountTokens) =>
  async (asked: Asked): Promise<Answered> => {
    const { method, path } = asked;
    if (method === 'GET') return read(asked, store, tokens);
    if (method === 'POST')
      return (await create(asked, tokens, store)) ?? createObject(asked, store);
    if (method === 'PATCH') return patch(asked, store);
    if (method === 'DELETE') return remove(asked, store);
    return refusal(405, `${method} ${path}`);
  };

const read = (asked: Asked, store: Store, tokens: ServiceAccountTokens): Answered => {
  const { path, query } = asked;
  if (path === '/openid/v1/jwks') return { status: 200, body: tokens.jwks };
  if (path === '/.well-known/openid-configuration') {
    return { status: 200, body: { issuer: tokens.issuer, jwks_uri: `${tokens.issuer}/jwks` } };
  }
  const found = store.get(path);
  if (found !== undefined) return { status: 200, body: found };
  return isCollection(path) ? list({ path, query }, store) : refusal(404, path);
};

/** Of names in a path, every second one names a kind: the last, where it stands alone, a collection. */
const isCollection = (path: string): boolean =>
  /^\/(api\/v1|apis\/[^/]+\/[^/]+)(\/namespaces\/[^/]+)?\/[a-z]+$/.test(path);

const list = ({ path, query }: Pick<Asked, 'path' | 'query'>, store: Store): Answered => {
  const all = store.list(path).filter((object) => isSelected(object, query));
  const from = Number(query.get('continue') ?? 0);
  const end = from + Number(query.get('limit') ?? all.length);
  const more = end < all.length && { continue: String(end) };
  const metadata = { resourceVersion: String(store.version()), ...more };
  return { status: 200, body: { kind: 'List', metadata, items: all.slice(from, end) } };
};

/** By one name, by one label or by none. */
export const isSelected = ({ metadata }: Stored, query: URLSearchParams): boolean => {
  const [, name] = /^metadata\.name=(.*)$/.exec(query.get('fieldSelector') ?? '') ?? [];
  const [label = '', value] = (query.get('labelSelector') ?? '').split('=');
  return (
    (name === undefined || metadata.name === name) &&
    (value === undefined || metadata.labels?.[label] === value)
  );
};

/** What is asked by creating it, and kept nowhere. */
const create = async (
  { path, body, username }: Asked,
  tokens: ServiceAccountTokens,
  store: Store,
): Promise<Answered | undefined> => {
  const spec = membersOf(body['spec']);
  if (path.endsWith('/selfsubjectreviews')) {
    return created({ ...body, status: { userInfo: { username, groups: [] } } });
  }
  if (path.endsWith('/tokenreviews')) {
    const audiences = spec['audiences'] as readonly string[];
    return created({ ...body, status: await tokens.review(String(spec['token']), audiences) });
  }
  const [, namespace, name] = TOKEN_REQUEST.exec(path) ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  return tokenFor({ namespace, name, spec }, tokens, store);
};

const TOKEN_REQUEST = /^\/api\/v1\/namespaces\/([^/]+)\/serviceaccounts\/([^/]+)\/token$/;

/** A TokenRequest bound to a pod, as a kubelet makes it. */
const tokenFor = async (
  { namespace, name, spec }: { namespace: string; name: string; spec: Members },
  tokens: ServiceAccountTokens,
  store: Store,
): Promise<Answered> => {
  const { name: podName } = spec['boundObjectRef'] as { name: string };
  const account = store.get(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}`);
  const pod = store.get(`/api/v1/namespaces/${namespace}/pods/${podName}`);
  if (account === undefined || pod === undefined) return refusal(404, `${name} or ${podName}`);
  const token = await tokens.sign({
    namespace,
    serviceAccount: { name, uid: account.metadata.uid },
    pod: {
      name: podName,
      uid: pod.metadata.uid,
      node: String(membersOf(pod['spec'])['nodeName']),
    },
    audiences: spec['audiences'] as readonly string[],
    seconds: Number(spec['expirationSeconds'] ?? 600),
  });
  return created({ kind: 'TokenRequest', spec, status: { token } });
};

const createObject = ({ path, body }: Asked, store: Store): Answered => {
  const { name } = membersOf(body['metadata']);
  if (typeof name !== 'string') return refusal(422, `${path}: metadata.name is missing`);
  const object = store.create(`${path}/${name}`, body);
  return object === undefined ? refusal(409, `${path}/${name} exists`) : created(object);
};

const patch = ({ path, body, contentType }: Asked, store: Store): Answered => {
  const at = path.replace(/\/status$/, '');
  const found = store.get(at);
  if (found === undefined) return refusal(404, at);
  const { resourceVersion } = membersOf(body['metadata']);
  const isStale =
    resourceVersion !== undefined && resourceVersion !== found.metadata.resourceVersion;
  if (isStale) return refusal(409, `${at} has changed`);
  const change = at === path ? body : { status: body['status'] };
  const isStrategic = contentType === 'application/strategic-merge-patch+json';
  const object = store.replace(at, merged(found, change, isStrategic) as Members);
  return { status: 200, body: object };
};

const remove = ({ path, body }: Asked, store: Store): Answered => {
  const found = store.get(path);
  if (found === undefined) return refusal(404, path);
  const { uid } = membersOf(body['preconditions']);
  if (uid !== undefined && uid !== found.metadata.uid) return refusal(409, `${path} is another`);
  store.remove(path);
  return { status: 200, body: { kind: 'Status', status: 'Success' } };
};

const created = (body: object): Answered => ({ status: 201, body });

/** A Status, as API servers answer what they refuse. */
export const refusal = (code: number, message: string): Answered => ({
  status: code,
  body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message },
});
