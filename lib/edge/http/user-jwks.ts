import type { UserIssuer } from '../../contract/platform.ts';
import { createPublicDocumentFetcher } from './public-document.ts';

/**
 * The way to the JWKS of one issuer of users' tokens.
 *
 * @returns asks once, and throws where the answer is not 200 with JSON, whole within five seconds
 * @throws where `jwksUri` is no https URL
 */
export const createUserJwksFetcher = (
  { jwksUri, caBundle }: Pick<UserIssuer, 'jwksUri' | 'caBundle'>,
  timeoutMs?: number,
): (() => Promise<unknown>) => {
  const ask = createPublicDocumentFetcher(
    { url: jwksUri, ...(caBundle !== undefined && { caBundle }) },
    timeoutMs,
  );
  return async () => JSON.parse((await ask()).text) as unknown;
};
