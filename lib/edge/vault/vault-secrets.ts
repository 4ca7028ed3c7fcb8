import { parseJson } from '../../schema/json.ts';
import { toMapping, type Mapping } from '../../schema/mapping.ts';
import { checkSecretText } from '../../upstreams/presentation.ts';
import { SecretError, type SecretFetcher } from '../../upstreams/secret-fetcher.ts';
import type { VaultSource } from '../../upstreams/upstream.ts';
import { ConnectionError, toSecretError, type SendToEndpoint } from '../http/https-client.ts';

const TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 1024 * 1024;

type Call = {
  readonly method: 'GET' | 'POST';
  /** Below `/v1/`. */
  readonly path: string;
  readonly token?: string;
  readonly body?: object;
};

type CallVault = (source: VaultSource, call: Call) => Promise<Mapping>;

const createCall =
  (send: SendToEndpoint): CallVault =>
  async ({ address, role, caBundle }, { method, path, token, body }) => {
    const culprit = `Vault role ${role}: ${method} ${path}`;
    try {
      const { status, body: text } = await send({
        method,
        url: `${address}/v1/${path}`,
        headers: {
          'X-Vault-Request': 'true',
          ...(token !== undefined && { 'X-Vault-Token': token }),
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(caBundle === undefined ? {} : { caBundle }),
        timeoutMs: TIMEOUT_MS,
        maxBodyBytes: MAX_BODY_BYTES,
      });
      if (status >= 200 && status < 300) return toMapping(parseJson(text));
      const code = status === 429 || status >= 500 ? 'secret_unavailable' : 'provider_refused';
      throw new SecretError(code, `${culprit}: answered ${status}`);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      throw toSecretError(culprit, error);
    }
  };

type Login = { readonly token: string; readonly ttlSeconds: number };

/** Batch tokens cannot be revoked, so that one of them would outlive its run. */
const login = async (call: CallVault, source: VaultSource, grant: string): Promise<Login> => {
  const { auth } = await call(source, {
    method: 'POST',
    path: `auth/${source.mount}/login`,
    body: { role: source.role, jwt: grant },
  });
  const { client_token: token, token_type: type, lease_duration: ttl } = toMapping(auth);
  if (typeof token === 'string' && type === 'service' && Number.isSafeInteger(ttl)) {
    return { token, ttlSeconds: ttl as number };
  }
  const message = `Vault role ${source.role}: expected a service token (token_type of the role)`;
  throw new SecretError('provider_refused', message);
};

/** A login's token lives as long as its role says, whatever the grant's `exp` is. */
const limitLifetime = async (
  call: CallVault,
  source: VaultSource,
  { token, ttlSeconds }: Login,
  lifetimeSeconds: number,
): Promise<void> => {
  // Zero: no expiry at all.
  if (ttlSeconds > 0 && ttlSeconds <= lifetimeSeconds) return;
  const body = { increment: `${lifetimeSeconds}s` };
  const { auth } = await call(source, {
    method: 'POST',
    path: 'auth/token/renew-self',
    token,
    body,
  });
  const left = toMapping(auth)['lease_duration'];
  if (Number.isSafeInteger(left) && (left as number) > 0 && (left as number) <= lifetimeSeconds)
    return;
  const message = `Vault role ${source.role}: expected a token of at most ${lifetimeSeconds}s`;
  throw new SecretError('provider_refused', message);
};

/** The token is a header of further calls, and may be the secret itself. */
const checkToken = ({ role }: VaultSource, token: string): void => {
  if (checkSecretText(token) === undefined) return;
  const message = `Vault role ${role}: expected a token that a header can present`;
  throw new SecretError('secret_invalid', message);
};

/** KV version 2 puts the secret one level deeper, beside its metadata; version 1 and dynamic secrets do not. */
const readField = ({ data }: Mapping, field: string): unknown => {
  const members = toMapping(data);
  const isVersioned = 'metadata' in members && 'data' in members;
  const secret = isVersioned ? toMapping(members['data']) : members;
  return Object.hasOwn(secret, field) ? secret[field] : undefined;
};

const readSecret = async (
  call: CallVault,
  source: VaultSource,
  { path, field, token }: { path: string; field: string; token: string },
): Promise<string> => {
  const secret = readField(await call(source, { method: 'GET', path, token }), field);
  if (typeof secret === 'string' && checkSecretText(secret) === undefined) return secret;
  const message = `Vault role ${source.role}: expected ${field} of ${path} to be a text that a header can present`;
  throw new SecretError('secret_invalid', message);
};

const PLACEHOLDER = /\{([a-z][A-Za-z0-9_]{0,31})\}/g;

/** A value is one segment of the path or a part of one: it must not lead out of it. */
const bindPath = (
  { role, path }: { role: string; path: string },
  params: Readonly<Record<string, string>>,
): string => {
  const bound = path.replace(PLACEHOLDER, (_, name: string) => {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (value !== undefined && /^[\w.-]+$/.test(value)) return value;
    const message = `Vault role ${role}: path: expected the param ${name} to be set, to letters, digits, _ . or -`;
    throw new SecretError('provider_refused', message);
  });
  if (!bound.split('/').some((part) => /^\.*$/.test(part)) && !/[{}]/.test(bound)) return bound;
  const message = `Vault role ${role}: path: expected segments without braces, and no dot segment`;
  throw new SecretError('provider_refused', message);
};

/**
 * Creates the source of Vault secrets: one login with the run's grant for each run. To end its token ends
 * the leases of dynamic secrets that it read. The role must take `user_claim=jti`, because an entity of the
 * subject would be shared by the subject's concurrent runs.
 */
export const createVaultSecrets = ({
  send,
}: {
  readonly send: SendToEndpoint;
}): SecretFetcher<VaultSource> => {
  const call = createCall(send);
  const revokeToken = async (source: VaultSource, token: string): Promise<void> => {
    await call(source, { method: 'POST', path: 'auth/token/revoke-self', token });
  };
  return {
    fetch: async (source, { signGrant, lifetimeSeconds, params }) => {
      const { role, field } = source;
      const path =
        source.path === undefined ? undefined : bindPath({ role, path: source.path }, params);
      const session = await login(call, source, await signGrant(source.address));
      const { token } = session;
      try {
        checkToken(source, token);
        await limitLifetime(call, source, session, lifetimeSeconds);
        if (path === undefined || field === undefined) return { secret: token, revocation: token };
        return {
          secret: await readSecret(call, source, { path, field, token }),
          revocation: token,
        };
      } catch (error) {
        await revokeToken(source, token).catch(() => undefined);
        throw error;
      }
    },
    revoke: revokeToken,
  };
};
