import { randomUUID } from 'node:crypto';

import { createInstallationTokens } from '../../lib/edge/github/installation-tokens.ts';
import type { SendToEndpoint } from '../../lib/edge/http/https-client.ts';
import type { ReadSourceSecret } from '../../lib/edge/kubernetes/source-secrets.ts';
import { createOAuthTokens } from '../../lib/edge/oauth/oauth-tokens.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { createVaultSecrets } from '../../lib/edge/vault/vault-secrets.ts';
import {
  SecretError,
  type FetchedSecret,
  type SecretFetcher,
  type SecretRequest,
} from '../../lib/upstreams/secret-fetcher.ts';
import {
  getGitHubApi,
  type HttpUpstream,
  type SecretSource,
  type Upstream,
} from '../../lib/upstreams/upstream.ts';

/** The secrets of all Upstreams, by the kind of their source. */
export type SecretSources = {
  /** @returns undefined for an Upstream that needs none @throws SecretError that names the Upstream */
  readonly fetch: (
    upstream: HttpUpstream,
    request: SecretRequest,
  ) => Promise<FetchedSecret | undefined>;
  /** @throws SecretError that names the Upstream */
  readonly revoke: (
    upstream: HttpUpstream,
    revocation: string,
    signGrant: SecretRequest['signGrant'],
  ) => Promise<void>;
};

export type SecretSourceDeps = {
  /** Absent: no namespace of Secrets is configured. */
  readonly readSourceSecret?: ReadSourceSecret | undefined;
  readonly send: SendToEndpoint;
  readonly metrics: Pick<AuthorityMetrics, 'secretFetched'>;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

type BoundFetcher = {
  readonly fetch: (request: SecretRequest) => Promise<FetchedSecret>;
  readonly revoke: (revocation: string, signGrant: SecretRequest['signGrant']) => Promise<void>;
};

const bind = <S>(fetcher: SecretFetcher<S>, source: S): BoundFetcher => ({
  fetch: (request) => fetcher.fetch(source, request),
  revoke: (revocation, signGrant) => fetcher.revoke(source, revocation, signGrant),
});

/** Without a namespace, no Secret can be read. */
export const refuseToRead: ReadSourceSecret = () =>
  Promise.reject(
    new SecretError(
      'secret_unavailable',
      'expected authority.secrets.namespace to be set in the chart',
    ),
  );

/** A static secret: nothing ends it with the run. */
const createStaticSecrets = (
  read: ReadSourceSecret,
): SecretFetcher<SecretSource & { readonly kind: 'kubernetes' }> => ({
  fetch: async (source, { origin }) => {
    const { text, changedAtMs } = await read(source, { origin, form: 'token' });
    return { secret: text, ...(changedAtMs !== undefined && { changedAtMs }) };
  },
  revoke: () => Promise.resolve(),
});

/** Creates the sources: one for each kind, without a cache. */
export const createSecretSources = ({
  readSourceSecret: readKey = refuseToRead,
  send,
  metrics,
  now,
}: SecretSourceDeps): SecretSources => {
  const stored = createStaticSecrets(readKey);
  const vault = createVaultSecrets({ send });
  const oauth = createOAuthTokens({ readKey, now, createId: randomUUID, send });
  const bindSource = (
    source: SecretSource,
    { rules: { caBundle } }: Pick<HttpUpstream, 'rules'>,
  ): BoundFetcher => {
    switch (source.kind) {
      case 'kubernetes':
        return bind(stored, source);
      case 'vault':
        return bind(vault, source);
      case 'oauth':
        return bind(oauth, source);
      case 'githubApp': {
        // An enterprise server has one certificate for its API and its repositories.
        const trust = source.apiUrl === undefined || caBundle === undefined ? {} : { caBundle };
        return bind(createInstallationTokens({ readKey, now, send, ...trust }), source);
      }
    }
  };
  return {
    fetch: async (upstream, request) => {
      if (upstream.access === undefined) return undefined;
      const { secret: source } = upstream.access;
      try {
        const fetched = await bindSource(source, upstream).fetch(request);
        metrics.secretFetched(source.kind, 'fetched');
        return fetched;
      } catch (thrown) {
        metrics.secretFetched(source.kind, toOutcome(thrown));
        throw nameUpstream(upstream, thrown);
      }
    },
    revoke: async (upstream, revocation, signGrant) => {
      if (upstream.access === undefined) return;
      try {
        await bindSource(upstream.access.secret, upstream).revoke(revocation, signGrant);
      } catch (thrown) {
        throw nameUpstream(upstream, thrown);
      }
    },
  };
};

const toOutcome = (thrown: unknown) =>
  thrown instanceof SecretError ? thrown.code : 'internal_error';

/** The same failure, with the Upstream in its message. */
export const nameUpstream = ({ name }: Pick<Upstream, 'name'>, thrown: unknown): unknown =>
  thrown instanceof SecretError
    ? new SecretError(thrown.code, `upstream ${name}: ${thrown.message}`, { cause: thrown })
    : thrown;

/**
 * Where the secrets of a source are revoked: it must still be the same server at the end of a run.
 *
 * @returns undefined if nothing can be revoked
 */
export const findRevocationServer = (source: SecretSource): string | undefined => {
  switch (source.kind) {
    case 'kubernetes':
      return undefined;
    case 'vault':
      return source.address;
    case 'oauth':
      return source.revocationUrl;
    case 'githubApp':
      return getGitHubApi(source);
  }
};
