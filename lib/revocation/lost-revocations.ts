import type { Revocation, RevocationSpec } from '../contract/authority-api.ts';

/** The CRD's limit of a reason. */
const MAX_REASON_LENGTH = 256;

/**
 * How an authority creates a Revocation again that a restore of the cluster's store has lost. The API server accepts
 * only the creator's own name in `by`, so the reason names the person who revoked. The name is derived from the lost
 * object: all replicas create the same one, and none replaces an older Revocation of the same name. What an authority
 * itself created has its former name, by which it is recognized.
 *
 * @param by the authority's own user name at the API server
 */
export const buildSuccessor = (
  { name, uid, spec }: Revocation,
  by: string,
): { readonly name: string; readonly spec: RevocationSpec } =>
  spec.by === by
    ? { name, spec }
    : { name: `restored-${uid}`, spec: { ...spec, by, reason: formatReason(spec) } };

const formatReason = ({ by, reason }: RevocationSpec): string => {
  const origin = ` (revoked by ${by}, lost by a restore of the cluster)`;
  return `${reason.slice(0, Math.max(0, MAX_REASON_LENGTH - origin.length))}${origin}`.slice(
    0,
    MAX_REASON_LENGTH,
  );
};
