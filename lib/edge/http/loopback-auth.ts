import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import type { AuthenticationResult } from '../../runs/credentials-request.ts';
import { isForwardedHeader } from '../../runs/forwarded-headers.ts';
import type { RunRefusal } from '../../runs/run-refusal.ts';

/**
 * Creates the authentication of the loopback listener, which every process in the pod can reach. It
 * requires the exact `Host` (prevents DNS rebinding), no header that a browser or a proxy adds
 * (prevents forged requests), and the consumer's own token for every method.
 *
 * @param host `address:port` as listened on
 * @param tokens consumer → its loopback token
 */
export const createLoopbackAuthenticator = ({
  host,
  tokens,
}: {
  host: string;
  tokens: ReadonlyMap<string, string>;
}): ((request: IncomingMessage) => AuthenticationResult) => {
  const consumers = [...tokens].map(([consumer, token]) => ({
    digest: digestToken(token),
    admission: { kind: 'consumer', consumer } as const,
  }));
  return (request) => {
    if (!isLocal(request, host)) return notLocal;
    const given = digestToken(request.headers.authorization ?? '');
    // All tokens are compared, so that the time reveals nothing about the tokens.
    const matching = consumers.filter(({ digest }) => timingSafeEqual(digest, given));
    return matching[0]?.admission ?? unauthorized;
  };
};

const digestToken = (token: string): Buffer => hash('sha256', token, 'buffer');

/** Checks the raw headers, because Node keeps only the first of repeated ones. */
const isLocal = ({ rawHeaders, url = '' }: IncomingMessage, host: string): boolean => {
  let hosts = 0;
  let authorizations = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    if (name === 'host') {
      if (rawHeaders[index + 1] !== host) return false;
      hosts += 1;
    } else if (name === 'authorization') authorizations += 1;
    else if (name === 'upgrade' || isForwardedHeader(name)) return false;
  }
  return hosts === 1 && authorizations <= 1 && url.startsWith('/');
};

const notLocal: RunRefusal = {
  kind: 'refusal',
  nature: 'refused',
  code: 'not_local',
  message:
    'Expected a direct request from this pod: the exact Host, and no Origin, Referer, Sec-Fetch-Site, Via, Forwarded, X-Forwarded-*, X-Real-IP or Upgrade header.',
};

const unauthorized: RunRefusal = {
  kind: 'refusal',
  nature: 'refused',
  code: 'unauthorized',
  message:
    'Authorization: expected the content of the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names. The sidecar creates a new token at each start.',
};
