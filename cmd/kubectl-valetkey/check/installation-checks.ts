import type { Platform } from '../../../lib/contract/platform.ts';
import { INSTALLED } from '../../../lib/contract/names.ts';
import type { CustomResource } from '../../../lib/edge/kubernetes/custom-resources.ts';
import type { ClusterObject, Replicas } from '../../../lib/edge/kubernetes/installation.ts';
import { toMapping } from '../../../lib/schema/mapping.ts';
import { checkInstalledObject } from '../installed-objects.ts';
import { checkProgram, checkVersion } from '../installation-status.ts';
import { checkPolicies } from '../policy-states.ts';
import type { ReadResult, StatusData } from '../status-data.ts';
import { POLICY_DIGESTS } from './admission-policy-digests.ts';
import { checkRead, failIfAny, type CheckResult } from './check-row.ts';
import { computePolicyDigest } from './policy-digest.ts';

const REINSTALL_HINT = 'run helm upgrade with your values, or apply the manifest again';

/** Checks that all replicas of the programs are ready, and of the same version as this tool. */
export const checkPrograms = (
  programs: readonly (readonly [name: string, replicas: ReadResult<Replicas | undefined>])[],
): CheckResult => {
  const states: string[] = [];
  const problems = programs.flatMap(([name, replicas]) => {
    if ('unknown' in replicas) return [`${name}: unknown (${replicas.unknown})`];
    const checked = checkProgram(replicas.value, name);
    states.push(...checked.value.map(({ ready, wanted }) => `${name} ${ready}/${wanted}`));
    return [...checked.problems, ...checked.value.flatMap(checkVersion)];
  });
  return failIfAny(problems, { found: states.join(', '), hint: PROGRAM_HINT });
};

const PROGRAM_HINT =
  'see why pods are not ready with kubectl describe; use the tool of the same release';

export type ObjectContext = {
  readonly trust: Platform['trust'];
  readonly installedIn: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** Checks the objects for the whole cluster of some kinds. */
export const checkObjects = (
  objects: StatusData['objects'],
  kinds: readonly ClusterObject['kind'][],
  context: ObjectContext,
): CheckResult => {
  const ours = objects.filter(({ kind }) => kinds.includes(kind));
  const problems = ours.flatMap(({ content, ...object }) =>
    'value' in content
      ? [
          ...checkInstalledObject(object, content.value, context).problems,
          ...checkDigest(object, content.value, context),
        ]
      : [`${object.kind} ${object.name}: unknown (${content.unknown})`],
  );
  return failIfAny(problems, { found: `objects: ${ours.length}`, hint: REINSTALL_HINT });
};

const checkDigest = (
  { kind, name }: ClusterObject,
  object: unknown,
  { trust, installedIn }: ObjectContext,
): readonly string[] => {
  if (kind !== 'ValidatingAdmissionPolicy' || object === undefined) return [];
  const expected = POLICY_DIGESTS[trust][name];
  const got = computePolicyDigest(toMapping(object)['spec'], installedIn);
  return got === expected
    ? []
    : [`${kind} ${name}: expected the rules of this version's chart, got others`];
};

/** Checks that there are TaskPolicies, and that the authority evaluates each. */
export const checkTaskPolicies = (policies: ReadResult<readonly CustomResource[]>): CheckResult =>
  checkRead(policies, (stored) => {
    const { value, problems } = checkPolicies(stored);
    return failIfAny(problems, { found: `valid: ${value.length}`, hint: POLICY_HINT });
  });

const POLICY_HINT = 'correct the policy: one that is invalid denies every run of the cluster';

/** Titles of the programs, as {@link checkPrograms} names them. */
export const WEBHOOK_TITLE = `Deployment ${INSTALLED.webhook}`;
export const AUTHORITY_TITLE = `StatefulSet ${INSTALLED.authority}`;
