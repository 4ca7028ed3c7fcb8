import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import type { AuthenticationResult } from '../../runs/credentials-request.ts';
import type { RunRefusal } from '../../runs/run-refusal.ts';

/**
 * The door of the loopback listener, which every process of the pod's network can reach: an exact
 * `Host` (no DNS rebinding), nothing that a browser or a proxy adds (no request forged through
 * one), and the consumer's own token, whatever the method.
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
  const known = [...tokens].map(([consumer, token]) => ({
    digest: digestToken(token),
    admission: { kind: 'consumer', consumer } as const,
  }));
  return (request) => {
    if (!isLocal(request, host)) return notLocal;
    const given = digestToken(request.headers.authorization ?? '');
    // Every token is compared, so that the time says nothing about which one nearly fits.
    const matching = known.filter(({ digest }) => timingSafeEqual(digest, given));
    return matching[0]?.admission ?? unauthorized;
  };
};

const digestToken = (token: string): Buffer => hash('sha256', token, 'buffer');

/** Judges the raw headers: of a repeated one, Node shows the first alone. */
const isLocal = ({ rawHeaders, url = '' }: IncomingMessage, host: string): boolean => {
  let hosts = 0;
  let authorizations = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    if (name === 'host') {
      if (rawHeaders[index + 1] !== host) return false;
      hosts += 1;
    } else if (name === 'authorization') authorizations += 1;
    else if (isForwardedHeader(name)) return false;
  }
  return hosts === 1 && authorizations <= 1 && url.startsWith('/');
};

const FORWARDED_HEADERS = new Set([
  'origin',
  'referer',
  'via',
  'forwarded',
  'upgrade',
  'x-real-ip',
]);

const isForwardedHeader = (name: string): boolean =>
  FORWARDED_HEADERS.has(name) ||
  (name.startsWith('sec-fetch-') && name !== SENT_BY_NODE) ||
  name.startsWith('x-forwarded-');

/** Node's own `fetch` sends this one always; a browser never without `Sec-Fetch-Site`. */
const SENT_BY_NODE = 'sec-fetch-mode';

const notLocal: RunRefusal = {
  kind: 'refusal',
  nature: 'refused',
  code: 'not_local',
  message:
    'Only direct requests from this pod are answered: the exact Host, and no Origin, Referer, Sec-Fetch-Site, Via, Forwarded, X-Forwarded-*, X-Real-IP or Upgrade.',
};

const unauthorized: RunRefusal = {
  kind: 'refusal',
  nature: 'refused',
  code: 'unauthorized',
  message:
    'Send the content of the file in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE as Authorization; it is new at each start of the sidecar.',
};
