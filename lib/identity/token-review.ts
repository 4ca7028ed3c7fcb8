import { formatValue } from '../schema/field-error.ts';
import { buildServiceAccountUsername, type ProjectedClaims } from './projected-token.ts';
import { newRefusedError } from './identity-refusals.ts';

/** The API server's response to a TokenReview (authentication.k8s.io/v1). */
export type TokenReview = {
  readonly authenticated: boolean;
  readonly audiences: readonly string[];
  readonly username: string;
  /** UID of the service account. */
  readonly uid: string;
  readonly extra: Readonly<Record<string, readonly string[]>>;
};

/** Requests a review of `token` for `audience` alone; rejects if there is no response. */
export type ReviewToken = (token: string, audience: string) => Promise<TokenReview>;

const EXTRA = {
  podName: 'authentication.kubernetes.io/pod-name',
  podUid: 'authentication.kubernetes.io/pod-uid',
};

/**
 * Compares the API server's review with the token's claims. The review must contain the audience: an
 * authenticator that does not support audiences omits it, and has not checked it.
 *
 * @throws IdentityError refused (`token_review_…`)
 */
export const checkTokenReview = (
  review: TokenReview,
  claims: ProjectedClaims,
  audience: string,
): void => {
  if (!review.authenticated) {
    throw newRefusedError('token_review_denied', 'expected a token that the API server accepts');
  }
  if (!review.audiences.includes(audience)) {
    const got = formatValue(review.audiences);
    throw newRefusedError('token_review_audience', `expected a review for ${audience}, got ${got}`);
  }
  const members = [
    ['username', buildServiceAccountUsername(claims), review.username],
    ['uid', claims.serviceAccount.uid, review.uid],
    ...(
      [
        ['podName', claims.pod.name],
        ['podUid', claims.pod.uid],
      ] as const
    ).map(
      ([name, expected]) => [EXTRA[name], expected, review.extra[EXTRA[name]]?.join(',')] as const,
    ),
  ] as const;
  for (const [what, expected, got] of members) {
    if (expected === got) continue;
    const message = `expected a review with ${what} ${expected}, got ${formatValue(got)}`;
    throw newRefusedError('token_review_identity', message);
  }
};
