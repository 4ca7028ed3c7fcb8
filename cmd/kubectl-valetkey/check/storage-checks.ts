import { toMapping, type Mapping } from '../../../lib/schema/mapping.ts';
import type { ReadResult } from '../status-data.ts';
import { checkRead, pass, report, type CheckResult } from './check-row.ts';

const DEFAULT_ANNOTATION = 'storageclass.kubernetes.io/is-default-class';

/** The chart's default: a claim of the default class. */
export const NEW_AUTHORITY: Mapping = { spec: { volumeClaimTemplates: [{ spec: {} }] } };

/**
 * Checks that the claims of the authority's audit volumes have a storage class.
 *
 * @param authority its StatefulSet, or {@link NEW_AUTHORITY}
 */
export const checkAuditStorage = (
  authority: ReadResult<unknown>,
  classes: ReadResult<readonly Mapping[]>,
): CheckResult =>
  checkRead(authority, (found) => {
    const claim = findClaim(found);
    return claim === undefined
      ? report('warning', { problems: [NOT_PERSISTENT], hint: PERSISTENT_HINT })
      : checkRead(classes, (list) => checkClaim(claim, list));
  });

const NOT_PERSISTENT =
  'audit volume: expected a persistent volume, got none: records are lost with their pod';
const PERSISTENT_HINT =
  'set authority.audit.file.persistent: true, or export the records to a bucket';

const findClaim = (authority: unknown): Mapping | undefined => {
  const { volumeClaimTemplates } = toMapping(toMapping(authority)['spec']);
  const [claim] = Array.isArray(volumeClaimTemplates) ? (volumeClaimTemplates as unknown[]) : [];
  return claim === undefined ? undefined : toMapping(claim);
};

const checkClaim = (claim: Mapping, classes: readonly Mapping[]): CheckResult => {
  const { storageClassName } = toMapping(claim['spec']);
  if (storageClassName === undefined) return checkDefaultClass(classes);
  const name = typeof storageClassName === 'string' ? storageClassName : '';
  // The empty name asks for a volume that an administrator made.
  if (name === '' || classes.some((each) => toMapping(each['metadata'])['name'] === name)) {
    return pass(name === '' ? 'volumes without a class' : `storage class ${name}`);
  }
  const problem = `storage class ${name}: expected it to exist, got nothing`;
  return report('fail', { problems: [problem], hint: CLASS_HINT });
};

const CLASS_HINT =
  'set authority.audit.file.storageClassName to a class of this cluster, or mark one as default';

const checkDefaultClass = (classes: readonly Mapping[]): CheckResult => {
  const names = classes.map((each) => String(toMapping(each['metadata'])['name']));
  const isDefault = (each: Mapping): boolean =>
    toMapping(toMapping(each['metadata'])['annotations'])[DEFAULT_ANNOTATION] === 'true';
  const at = classes.findIndex(isDefault);
  if (at >= 0) return pass(`default storage class ${names[at] ?? ''}`);
  const got = names.length === 0 ? 'no class' : `only ${names.join(', ')}`;
  const problem = `storage classes: expected a default class for the audit volume, got ${got}`;
  return report('fail', { problems: [problem], hint: CLASS_HINT });
};
