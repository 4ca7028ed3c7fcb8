import { signClientAssertion } from '../../grant/client-assertion.ts';
import { parseJson } from '../../schema/json.ts';
import { isMapping, toMapping } from '../../schema/mapping.ts';
import { checkSecretText } from '../../upstreams/presentation.ts';
import {
  SecretError,
  type SecretFetcher,
  type SecretRequest,
} from '../../upstreams/secret-fetcher.ts';
import {
  getGitHubApi,
  type GitHubAppSource,
  type GitHubPermissions,
  type SecretKey,
} from '../../upstreams/upstream.ts';
import {
  ConnectionError,
  toSecretError,
  type BufferedResponse,
  type SendToEndpoint,
} from '../http/https-client.ts';

export type GitHubDeps = {
  /** Reads the App's private key for the origin of GitHub's API. */
  readonly readKey: (
    key: SecretKey,
    use: { readonly origin: string; readonly form: 'pem' },
  ) => Promise<{ readonly text: string }>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** PEM certificates trusted instead of the system's, for GitHub Enterprise Server. */
  readonly caBundle?: string;
  readonly send: SendToEndpoint;
};

const API_VERSION = '2022-11-28';
const TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 1024 * 1024;
/** GitHub's own limit for one token. */
const MAX_REPOSITORIES = 500;

/** `git://<upstream>/<owner>/<repo>[#ref]` and `https://<host>/repos/<owner>/<repo>[/…]`. */
const RESOURCE =
  /^(?:git:\/\/[^/]+|https:\/\/[^/]+(?:\/api\/v3)?\/repos)\/([^/#]+)\/([^/#]+)(?:[/#]|$)/;
const NAME = /^[\w.-]+$/;

/**
 * Lists the repositories that resources name, as `owner/name` in lower case: GitHub ignores case.
 *
 * @returns the first resource that names none literally
 */
export const listRepositories = (
  resources: readonly string[],
): { readonly repositories: readonly string[] } | { readonly wide: string } => {
  const repositories = new Set<string>();
  for (const resource of resources) {
    const [, owner = '', name = ''] = RESOURCE.exec(resource) ?? [];
    if (!NAME.test(owner) || !NAME.test(name)) return { wide: resource };
    repositories.add(`${owner}/${name.replace(/\.git$/, '')}`.toLowerCase());
  }
  return { repositories: [...repositories] };
};

const RANKS = { read: 1, write: 2, admin: 3 } as const;

const rank = (value: unknown): number =>
  typeof value === 'string' && Object.hasOwn(RANKS, value) ? RANKS[value as 'read'] : 4;

/** Every App has read access to metadata; GitHub adds it to each token. */
const isWithin = (granted: unknown, asked: GitHubPermissions): boolean =>
  Object.entries(toMapping(granted)).every(
    ([name, value]) =>
      (name === 'metadata' && value === 'read') ||
      (Object.hasOwn(asked, name) && rank(value) <= rank(asked[name])),
  );

const readNames = (repositories: unknown): readonly string[] =>
  (Array.isArray(repositories) ? repositories.filter(isMapping) : []).map(({ full_name: name }) =>
    String(name).toLowerCase(),
  );

const isSame = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((name) => other.includes(name));

type ApiRequest = {
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly token: string;
  readonly body?: unknown;
};

const createApiCall =
  ({ caBundle, send }: GitHubDeps) =>
  async (
    source: GitHubAppSource,
    { method, path, token, body }: ApiRequest,
  ): Promise<BufferedResponse> => {
    const url = `${getGitHubApi(source)}${path}`;
    try {
      return await send({
        method,
        url,
        headers: {
          Accept: 'application/vnd.github+json',
          Authorization: `Bearer ${token}`,
          'User-Agent': 'valetkey',
          'X-GitHub-Api-Version': API_VERSION,
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(caBundle === undefined ? {} : { caBundle }),
        timeoutMs: TIMEOUT_MS,
        maxBodyBytes: MAX_BODY_BYTES,
      });
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      throw toSecretError(`GitHub App ${source.appId}`, error);
    }
  };

const toStatusError = ({ appId }: GitHubAppSource, status: number): SecretError =>
  new SecretError(
    status === 429 || status >= 500 ? 'secret_unavailable' : 'provider_refused',
    `GitHub App ${appId}: the API answered ${status}`,
  );

/** What a token must be for. */
type TokenScope = {
  readonly repositories: readonly string[];
  readonly permissions: GitHubPermissions;
};

/** @throws SecretError if GitHub cannot issue a token for exactly these resources */
const requireScope = (
  source: GitHubAppSource,
  { resources, level }: Pick<SecretRequest, 'resources' | 'level'>,
): TokenScope => {
  const culprit = `GitHub App ${source.appId}`;
  const listed = listRepositories(resources);
  if ('wide' in listed) {
    const message = `${culprit}: expected owner and repository without wildcards, got ${listed.wide}`;
    throw new SecretError('provider_refused', message);
  }
  const { repositories } = listed;
  const permissions = level === 'Read' ? source.permissions.Read : source.permissions.Write;
  if (permissions === undefined || repositories.length > MAX_REPOSITORIES) {
    const message = `${culprit}: expected permissions for ${level}, and at most ${MAX_REPOSITORIES} repositories`;
    throw new SecretError('provider_refused', message);
  }
  return { repositories, permissions };
};

/** The names were sent without owners: another owner's repository of the same name must not pass. */
const isExactly = (
  granted: { readonly repositories?: unknown; readonly permissions?: unknown },
  { repositories, permissions }: TokenScope,
): boolean =>
  isSame(readNames(granted.repositories), repositories) &&
  isWithin(granted.permissions, permissions);

/**
 * Creates the source of GitHub App tokens: one installation token for each run, for exactly the repositories
 * that its statements name, deleted at its end.
 */
export const createInstallationTokens = (deps: GitHubDeps): SecretFetcher<GitHubAppSource> => {
  const { readKey, now } = deps;
  const call = createApiCall(deps);

  const remove = async (source: GitHubAppSource, token: string): Promise<void> => {
    const { status } = await call(source, { method: 'DELETE', path: '/installation/token', token });
    // 401: it expired, or was deleted before.
    if (status !== 204 && status !== 401) throw toStatusError(source, status);
  };

  const requestToken = async (
    source: GitHubAppSource,
    { repositories, permissions }: TokenScope,
  ): Promise<BufferedResponse> => {
    const { origin } = new URL(getGitHubApi(source));
    const { text } = await readKey(source.privateKey, { origin, form: 'pem' });
    return call(source, {
      method: 'POST',
      path: `/app/installations/${source.installationId}/access_tokens`,
      token: await signClientAssertion(text, { issuer: String(source.appId) }, now()),
      body: { repositories: repositories.map((name) => name.split('/')[1]), permissions },
    });
  };

  return {
    fetch: async (source, request) => {
      const culprit = `GitHub App ${source.appId}`;
      const scope = requireScope(source, request);
      const response = await requestToken(source, scope);
      if (response.status !== 201) throw toStatusError(source, response.status);
      const { token, permissions, repositories } = toMapping(parseJson(response.body));
      if (typeof token !== 'string') {
        throw new SecretError('provider_refused', `${culprit}: expected a token`);
      }
      if (checkSecretText(token) !== undefined) {
        // What no header can present cannot be deleted either.
        await remove(source, token).catch(() => undefined);
        const message = `${culprit}: expected a token that a header can present`;
        throw new SecretError('secret_invalid', message);
      }
      if (isExactly({ repositories, permissions }, scope)) {
        return { secret: token, revocation: token };
      }
      await remove(source, token);
      const message = `${culprit}: expected a token for ${scope.repositories.join(', ')} alone`;
      throw new SecretError('provider_refused', message);
    },
    revoke: remove,
  };
};
