import { SIDECAR_CONTAINER } from '../contract/names.ts';
import { CONSUMER_MOUNT_PATH } from '../contract/paths.ts';
import { concat, elements, literal, type Cel } from './cel.ts';
import type { Variable } from './policy.ts';

export const LISTS = ['initContainers', 'containers', 'ephemeralContainers'];

export const IS_SIDECAR = `c.name == ${literal(SIDECAR_CONTAINER)}`;

/** The sidecar's own mounts say whose a socket is; that they are right is rule 2's to say. */
const socketsOf = (list: string): Cel => {
  const folder = literal(`${CONSUMER_MOUNT_PATH}/`);
  const own = `variables.sidecarMounts.filter(m, m.mountPath == ${folder} + c.name).map(m, m.name)`;
  return list === 'ephemeralContainers' ? 'dyn([])' : `dyn(${own})`;
};

export const placed = (list: string): Cel => {
  const index = `string(variables.${list}.map(each, each.name).indexOf(c.name))`;
  return `variables.${list}.map(c, {"path": dyn("/spec/${list}/" + ${index}), "it": dyn(c), "own": dyn(c.?securityContext.orValue({})), "sockets": ${socketsOf(list)}})`;
};

const MOUNTS_OF_SIDECARS = `variables.initContainers.filter(c, ${IS_SIDECAR}).map(c, c.?volumeMounts.orValue([]))`;

/**
 * Every container of a pod, whatever list it stands in, as `{path, it, own, sockets}`: where it
 * stands, itself, its security context, and the names of the socket volumes that are its own. `others` are all but the sidecar.
 */
export const containerVariables: readonly Variable[] = [
  ...LISTS.map((name) => ({ name, expression: elements(`object.spec.${name}`) })),
  {
    name: 'sidecarMounts',
    expression: `(${MOUNTS_OF_SIDECARS} + [dyn([])])[0]`,
  },
  { name: 'ofPod', expression: 'dyn(object.spec.?securityContext.orValue({}))' },
  { name: 'all', expression: concat(LISTS.map(placed)) },
  {
    name: 'others',
    expression: `variables.all.filter(k, k.it.name != ${literal(SIDECAR_CONTAINER)})`,
  },
];
