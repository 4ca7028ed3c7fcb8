import type { UserIssuer } from '../../contract/platform.ts';
import { createPublicDocumentFetcher } from './public-document.ts';

/**
 * Creates a function that fetches the JWKS of one issuer of user tokens.
 *
 * @returns fetches once; throws if the response is not 200 with JSON within five seconds
 * @throws Error if `jwksUri` is no https URL
 */
export const createUserJwksFetcher = (
  { jwksUri, caBundle }: Pick<UserIssuer, 'jwksUri' | 'caBundle'>,
  timeoutMs?: number,
): (() => Promise<unknown>) => {
  const fetchDocument = createPublicDocumentFetcher(
    { url: jwksUri, ...(caBundle !== undefined && { caBundle }) },
    timeoutMs,
  );
  return async () => JSON.parse((await fetchDocument()).text) as unknown;
};
