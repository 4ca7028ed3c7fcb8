import type { Task } from '../../contract/task.ts';
import { bindResource } from '../../task/resource.ts';

/**
 * Action → what AWS and Ceph RGW check instead of it if a request names a version of the object. MinIO checks
 * the action itself, for any version.
 */
const VERSION_ACTIONS: ReadonlyMap<string, string> = new Map(
  ['GetObject', 'GetObjectTagging', 'PutObjectTagging', 'DeleteObjectTagging'].map((name) => [
    `s3:${name}`,
    `s3:${name.replace('Object', 'ObjectVersion')}`,
  ]),
);

/** A Deny of requests that name a version. `NotResource`: where the task may send them. */
export type VersionDenial = {
  readonly Effect: 'Deny';
  readonly Action: readonly string[];
  readonly Resource?: '*';
  readonly NotResource?: readonly string[];
  readonly Condition: typeof NAMES_A_VERSION;
};

/**
 * The value of MinIO is empty for a request without a version; other clouds have no value then. Ceph RGW 16
 * evaluates `Null` the same for both of its values.
 */
const NAMES_A_VERSION = { StringLike: { 's3:versionid': '?*' } } as const;

/**
 * Builds the statements that keep a session of MinIO from versions for which the task has no action. Ceph RGW
 * refuses these requests without them.
 *
 * @param scope.params bound by `bindParams`
 */
export const buildVersionDenials = ({
  task,
  params,
}: {
  readonly task: Task;
  readonly params: Readonly<Record<string, string>>;
}): readonly VersionDenial[] => {
  const listResources = (action: string): readonly string[] => [
    ...new Set(
      task.allow.flatMap(({ actions, resources }) =>
        actions.includes(action) ? resources.map((each) => bindResource(each, params)) : [],
      ),
    ),
  ];
  const needed = [...VERSION_ACTIONS].flatMap(([action, ofVersion]) => {
    const allowed = listResources(ofVersion);
    const isNeeded = listResources(action).some((resource) => !allowed.includes(resource));
    return isNeeded ? [{ action, allowed }] : [];
  });
  const byAllowed = Map.groupBy(needed, ({ allowed }) => JSON.stringify(allowed));
  return [...byAllowed.values()].map((group) => ({
    Effect: 'Deny',
    Action: group.map(({ action }) => action),
    ...toResources(group[0]?.allowed ?? []),
    Condition: NAMES_A_VERSION,
  }));
};

const toResources = (
  allowed: readonly string[],
): Pick<VersionDenial, 'Resource' | 'NotResource'> =>
  allowed.length === 0 ? { Resource: '*' } : { NotResource: allowed };
