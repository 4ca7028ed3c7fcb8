import { S3_SHARED_ACTIONS } from '../../../../lib/catalog/s3-actions.ts';
import { matchesWildcards } from './iam-wildcards.ts';

/**
 * Whether a pattern of a policy could mean any action that this cloud knows: those that MinIO and RGW
 * know alike. Actions of AWS alone are unknown to them too.
 */
export const isKnownAction = (pattern: string): boolean =>
  [...S3_SHARED_ACTIONS].some((action) =>
    matchesWildcards(pattern.toLowerCase(), action.toLowerCase()),
  );
