import type { ReviewToken, TokenReview } from '../../identity/token-review.ts';
import type { ApiClient } from './api-client.ts';

/**
 * Creates a function that asks the API server whether it accepts a token (authentication.k8s.io/v1).
 * Results are not cached.
 *
 * @returns throws KubernetesError
 */
export const createTokenReviewer =
  (calls: ApiClient): ReviewToken =>
  async (token, audience) => {
    const response = await calls('create tokenreview', {
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [audience] },
      },
      isRepeatable: true,
    });
    return toReview((response as { status?: Status } | null)?.status ?? {});
  };

type Status = {
  readonly authenticated?: boolean;
  readonly audiences?: readonly string[];
  readonly user?: {
    readonly username?: string;
    readonly uid?: string;
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
};

const toReview = ({ authenticated, audiences, user }: Status): TokenReview => ({
  authenticated: authenticated === true,
  audiences: audiences ?? [],
  username: user?.username ?? '',
  uid: user?.uid ?? '',
  extra: user?.extra ?? {},
});
