/** Claims in a token of the kubelet come to less. */
const MAX_TOKEN_LENGTH = 16 * 1024;

/**
 * `exp` of a JWT (RFC 7519, section 4.1.4), unverified: it is our own token, and all that hangs on it
 * is when we present a fresh one. Milliseconds since the epoch; nothing when it cannot be read.
 */
export const readTokenExpiration = (token: string): number | undefined => {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  try {
    const claims = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'),
    ) as { exp?: unknown } | null;
    return typeof claims?.exp === 'number' ? claims.exp * 1000 : undefined;
  } catch {
    return undefined;
  }
};
