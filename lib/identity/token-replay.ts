import { newRefusedError, newUnavailableError } from './identity-refusals.ts';
import type { UseOnceGuard } from './use-once.ts';
import type { User } from './workload.ts';

/**
 * Consumes a verified token of a user: a second use is refused.
 *
 * @throws IdentityError: refused (`user_token_replayed`), or unavailable (`kubernetes_unavailable`)
 */
export const consumeToken = async (
  { consume }: Pick<UseOnceGuard, 'consume'>,
  { digest, expiresAt }: User,
): Promise<void> => {
  const outcome = await consume({ kind: 'user-token', digest, expiresAt }).catch(
    (cause: unknown) => {
      const message = 'the API server could not confirm that the user token is unused';
      throw newUnavailableError('kubernetes_unavailable', message, { cause });
    },
  );
  if (outcome === 'used') {
    throw newRefusedError('user_token_replayed', 'expected a user token that was not used before');
  }
};
