import { formatValue } from '../schema/field-error.ts';
import { buildServiceAccountUsername, type ProjectedClaims } from './projected-token.ts';
import { newRefusedError } from './identity-refusals.ts';

/** What the API server answered to a TokenReview (authentication.k8s.io/v1). */
export type TokenReview = {
  readonly authenticated: boolean;
  readonly audiences: readonly string[];
  readonly username: string;
  /** Of the service account. */
  readonly uid: string;
  readonly extra: Readonly<Record<string, readonly string[]>>;
};

/** Asks for a review of `token` for `audience` alone; throws when there is no answer. */
export type ReviewToken = (token: string, audience: string) => Promise<TokenReview>;

const EXTRA = {
  podName: 'authentication.kubernetes.io/pod-name',
  podUid: 'authentication.kubernetes.io/pod-uid',
};

/**
 * Holds the API server's own answer against the token's claims. The audience must be in the answer:
 * an authenticator that knows of no audiences leaves it out, and has then not looked at it.
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
