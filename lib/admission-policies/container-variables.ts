import { SIDECAR_CONTAINER } from '../contract/names.ts';
import { CONSUMER_MOUNT_PATH } from '../contract/paths.ts';
import { concatLists, buildElements, toCelLiteral, type Cel } from './cel.ts';
import type { Variable } from './validating-admission-policy.ts';

export const CONTAINER_LISTS = ['initContainers', 'containers', 'ephemeralContainers'];

export const IS_SIDECAR = `c.name == ${toCelLiteral(SIDECAR_CONTAINER)}`;

/** The sidecar's own mounts say whose a socket is; that they are right is rule 2's to say. */
const buildSocketNames = (list: string): Cel => {
  const folder = toCelLiteral(`${CONSUMER_MOUNT_PATH}/`);
  const own = `variables.sidecarMounts.filter(m, m.mountPath == ${folder} + c.name).map(m, m.name)`;
  return list === 'ephemeralContainers' ? 'dyn([])' : `dyn(${own})`;
};

export const buildPlacedContainers = (list: string): Cel => {
  const index = `string(variables.${list}.map(each, each.name).indexOf(c.name))`;
  return `variables.${list}.map(c, {"path": dyn("/spec/${list}/" + ${index}), "it": dyn(c), "own": dyn(c.?securityContext.orValue({})), "sockets": ${buildSocketNames(list)}})`;
};

const SIDECAR_MOUNTS = `variables.initContainers.filter(c, ${IS_SIDECAR}).map(c, c.?volumeMounts.orValue([]))`;

/**
 * Every container of a pod, whatever list it stands in, as `{path, it, own, sockets}`: where it
 * stands, itself, its security context, and the names of the socket volumes that are its own. `others` are all but the sidecar.
 */
export const containerVariables: readonly Variable[] = [
  ...CONTAINER_LISTS.map((name) => ({ name, expression: buildElements(`object.spec.${name}`) })),
  {
    name: 'sidecarMounts',
    expression: `(${SIDECAR_MOUNTS} + [dyn([])])[0]`,
  },
  { name: 'ofPod', expression: 'dyn(object.spec.?securityContext.orValue({}))' },
  { name: 'all', expression: concatLists(CONTAINER_LISTS.map(buildPlacedContainers)) },
  {
    name: 'others',
    expression: `variables.all.filter(k, k.it.name != ${toCelLiteral(SIDECAR_CONTAINER)})`,
  },
];
