import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '../../contract/authority-api.ts';
import { signClientAssertion } from '../../grant/client-assertion.ts';
import { parseJson } from '../../schema/json.ts';
import { toMapping } from '../../schema/mapping.ts';
import { checkSecretText } from '../../upstreams/presentation.ts';
import {
  SecretError,
  type SecretFetcher,
  type SecretRequest,
} from '../../upstreams/secret-fetcher.ts';
import type { OAuthSource, SecretKey } from '../../upstreams/upstream.ts';
import {
  ConnectionError,
  toSecretError,
  type BufferedResponse,
  type SendToEndpoint,
} from '../http/https-client.ts';

export type OAuthDeps = {
  /** Reads a client's key or secret for the origin of its token server. */
  readonly readKey: (
    key: SecretKey,
    use: { readonly origin: string; readonly form: 'token' | 'pem' },
  ) => Promise<{ readonly text: string }>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly createId: () => string;
  readonly send: SendToEndpoint;
};

const TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 64 * 1024;
/** RFC 7521, section 4.2; RFC 8693, section 3. */
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';

type Form = Record<string, string>;
type ClientProof = { readonly form: Form; readonly headers: Form };

/** RFC 6749, section 2.3.1: both parts are form-encoded before they are joined. */
const encodeForm = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);

/** A code of RFC 6749 or RFC 8707 alone: descriptions are text of another server. */
const readErrorCode = ({ body }: BufferedResponse): string => {
  const { error } = toMapping(parseJson(body));
  return typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? ` ${error}` : '';
};

/** A secret or a key is read for the origin that gets it or what it signed. */
const createClientProof =
  ({ readKey, now, createId }: OAuthDeps) =>
  async (
    { auth, key, clientId, tokenUrl }: OAuthSource,
    { signGrant, origin }: Pick<SecretRequest, 'signGrant' | 'origin'>,
  ): Promise<ClientProof> => {
    if (auth === 'grant' || key === undefined) {
      return { headers: {}, form: buildAssertion(clientId, await signGrant(tokenUrl)) };
    }
    if (auth === 'secret') {
      const { text } = await readKey(key, { origin, form: 'token' });
      const pair = `${encodeForm(clientId)}:${encodeForm(text)}`;
      return {
        form: {},
        headers: { Authorization: `Basic ${Buffer.from(pair).toString('base64')}` },
      };
    }
    const { text } = await readKey(key, { origin, form: 'pem' });
    const claims = { issuer: clientId, subject: clientId, audience: tokenUrl, id: createId() };
    return {
      headers: {},
      form: buildAssertion(clientId, await signClientAssertion(text, claims, now())),
    };
  };

const createFormSender =
  ({ send }: OAuthDeps) =>
  async (
    { clientId, caBundle }: OAuthSource,
    url: string,
    { form, headers }: ClientProof,
  ): Promise<BufferedResponse> => {
    try {
      return await send({
        method: 'POST',
        url,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams(form).toString(),
        ...(caBundle === undefined ? {} : { caBundle }),
        timeoutMs: TIMEOUT_MS,
        maxBodyBytes: MAX_BODY_BYTES,
      });
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      throw toSecretError(`oauth client ${clientId}: ${new URL(url).host}`, error);
    }
  };

const toStatusError = (
  { clientId }: OAuthSource,
  url: string,
  response: BufferedResponse,
): SecretError => {
  const { status } = response;
  const code = status === 429 || status >= 500 ? 'secret_unavailable' : 'provider_refused';
  const at = `oauth client ${clientId}: ${new URL(url).host}`;
  return new SecretError(code, `${at} answered ${status}${readErrorCode(response)}`);
};

/** @throws SecretError */
const readAccessToken = ({ clientId }: OAuthSource, { body }: BufferedResponse): string => {
  const { access_token: token, token_type: type } = toMapping(parseJson(body));
  if (typeof token !== 'string' || String(type).toLowerCase() !== 'bearer') {
    const message = `oauth client ${clientId}: expected a bearer token`;
    throw new SecretError('provider_refused', message);
  }
  if (checkSecretText(token) !== undefined) {
    const message = `oauth client ${clientId}: expected a token that a header can present`;
    throw new SecretError('secret_invalid', message);
  }
  return token;
};

/**
 * Creates the source of OAuth access tokens: one token for each run, by client credentials (RFC 6749, section
 * 4.4) or token exchange (RFC 8693), for one resource (RFC 8707), revoked at its end (RFC 7009).
 */
export const createOAuthTokens = (deps: OAuthDeps): SecretFetcher<OAuthSource> => {
  const proveClient = createClientProof(deps);
  const send = createFormSender(deps);
  return {
    fetch: async (source, { signGrant }) => {
      const { tokenUrl } = source;
      const { origin } = new URL(tokenUrl);
      const { form, headers } = await proveClient(source, { signGrant, origin });
      const request = await buildTokenRequest(source, signGrant);
      const response = await send(source, tokenUrl, { headers, form: { ...request, ...form } });
      if (response.status !== 200) throw toStatusError(source, tokenUrl, response);
      const secret = readAccessToken(source, response);
      return source.revocationUrl === undefined ? { secret } : { secret, revocation: secret };
    },
    revoke: async (source, revocation, signGrant) => {
      const { revocationUrl } = source;
      if (revocationUrl === undefined) return;
      const { origin } = new URL(revocationUrl);
      const { form, headers } = await proveClient(source, { signGrant, origin });
      const token = { token: revocation, token_type_hint: 'access_token' };
      const response = await send(source, revocationUrl, { headers, form: { ...form, ...token } });
      if (response.status !== 200) throw toStatusError(source, revocationUrl, response);
    },
  };
};

const buildAssertion = (clientId: string, assertion: string): Form => ({
  client_id: clientId,
  client_assertion_type: ASSERTION_TYPE,
  client_assertion: assertion,
});

const buildTokenRequest = async (
  { flow, scopes, resource, tokenUrl }: OAuthSource,
  signGrant: SecretRequest['signGrant'],
): Promise<Form> => ({
  ...(flow === 'clientCredentials'
    ? { grant_type: 'client_credentials' }
    : {
        grant_type: TOKEN_EXCHANGE_GRANT,
        subject_token: await signGrant(tokenUrl),
        subject_token_type: JWT_TYPE,
        requested_token_type: ACCESS_TOKEN_TYPE,
      }),
  ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
  ...(resource === undefined ? {} : { resource }),
});
