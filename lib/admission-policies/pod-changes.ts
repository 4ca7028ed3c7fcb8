import { INJECTED_LABEL, SIDECAR_CONTAINER, TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import { concat, describeBreach, elements, literal, messageOf, shown, type Cel } from './cel.ts';
import { IS_SIDECAR, LISTS, placed } from './containers.ts';
import { hardeningBreaches } from './hardening.ts';
import { IS_KUBELET } from './kubelets.ts';
import { mountBreaches } from './mounts.ts';
import {
  coreResources,
  type AdmissionPolicy,
  type PolicySettings,
  type Variable,
} from './policy.ts';
import { askedFor, unlessExcepted } from './scope.ts';

/**
 * Rules 8 to 10 on every way in which a pod changes. Kubelets and the scheduler write status all the
 * time: the API server judges it alone, and only in pods that are ours.
 */
export const podChangesPolicy = (settings: PolicySettings): AdmissionPolicy => ({
  name: 'valetkey-pod-changes',
  holds: 'rules 8 to 10: what was admitted does not change',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: coreResources(
      ['pods', 'pods/status', 'pods/ephemeralcontainers', 'pods/resize'],
      ['UPDATE'],
    ),
    matchConditions: askedFor(settings),
    variables: [
      ...variables,
      {
        name: 'breaches',
        expression: concat([
          unlessExcepted('8', concat([...mappings, ...fixedByRule8]), settings),
          ...(settings.trust === 'authority' ? [addresses] : []),
          unlessExcepted('9', newcomers(settings), settings),
          target,
          unlessExcepted('4', hardeningBreaches(settings), settings),
          mountBreaches(),
          unlessExcepted('10', concat(fixedByRule10), settings),
        ]),
      },
    ],
    validations: [
      {
        expression: 'variables.breaches.size() == 0',
        messageExpression: messageOf('variables.breaches'),
        message: 'what was admitted with the pod does not change (rules 8 to 10)',
        reason: 'Forbidden',
      },
    ],
  },
});

const sidecars = (subject: 'object' | 'oldObject'): Cel =>
  concat(
    LISTS.map((list) => {
      const containers = elements(`${subject}.spec.${list}`);
      const index = `string(${containers}.map(each, each.name).indexOf(c.name))`;
      return `${containers}.filter(c, ${IS_SIDECAR}).map(c, {"path": dyn("/spec/${list}/" + ${index}), "it": dyn(c)})`;
    }),
  );

const mapping = (subject: 'object' | 'oldObject', name: string): Cel =>
  `dyn(${subject}.metadata.?${name}.orValue({}))`;

const variables: readonly Variable[] = [
  { name: 'annotations', expression: mapping('object', 'annotations') },
  { name: 'annotationsBefore', expression: mapping('oldObject', 'annotations') },
  { name: 'labels', expression: mapping('object', 'labels') },
  { name: 'labelsBefore', expression: mapping('oldObject', 'labels') },
  { name: 'sidecars', expression: sidecars('object') },
  { name: 'sidecarsBefore', expression: sidecars('oldObject') },
  { name: 'ofPod', expression: 'dyn(object.spec.?securityContext.orValue({}))' },
  { name: 'ephemeralContainers', expression: elements('object.spec.ephemeralContainers') },
  {
    name: 'others',
    expression: `${placed('ephemeralContainers')}.filter(k, !${elements('oldObject.spec.ephemeralContainers')}.exists(c, c.name == k.it.name))`,
  },
];

/** Keys that are there now or were before, with another value. */
const changedKeys = (name: 'annotations' | 'labels', isOurs: Cel): Cel => {
  const breach = describeBreach({
    rule: '8',
    path: `"/metadata/${name}/" + key.replace("/", "~1")`,
    expected: 'what it was when the pod was admitted',
    got: '"something else"',
  });
  const [now, before] = [`variables.${name}`, `variables.${name}Before`];
  return concat([
    `${now}.filter(key, ${isOurs} && !(key in ${before})).map(key, ${breach})`,
    `${before}.filter(key, ${isOurs} && !(key in ${now} && ${now}[key] == ${before}[key])).map(key, ${breach})`,
  ]);
};

const mappings = [
  changedKeys('annotations', `key.startsWith(${literal(TASK_ANNOTATION_PREFIX)})`),
  changedKeys('labels', `key == ${literal(INJECTED_LABEL)}`),
];

const sidecarMember = (rule: string, member: string): Cel => {
  const breach = describeBreach({
    rule,
    path: `k.path + "/${member}"`,
    expected: 'what it was when the pod was admitted',
    got: '"something else"',
  });
  const differs = (others: Cel): Cel =>
    `!${others}.exists(before, before.path == k.path && before.it.?${member} == k.it.?${member})`;
  return concat([
    `variables.sidecars.filter(k, ${differs('variables.sidecarsBefore')}).map(k, ${breach})`,
    `variables.sidecarsBefore.filter(k, !variables.sidecars.exists(now, now.path == k.path)).map(k, ${breach})`,
  ]);
};

const fixedByRule8 = [sidecarMember('8', 'image')];
const fixedByRule10 = [sidecarMember('10', 'resources')];

/** The authority takes a token from its pod's own address only, and status is where that stands. */
const addresses = `(object.?status.?podIP == oldObject.?status.?podIP && object.?status.?podIPs == oldObject.?status.?podIPs || ${IS_KUBELET} ? [] : [${describeBreach(
  {
    rule: '8',
    path: '"/status/podIP"',
    expected: 'an address that a kubelet wrote',
    got: shown('request.userInfo.username'),
  },
)}])`;

/** A new ephemeral container: of the break-glass group alone, and then by the rules of any other. */
const newcomers = ({ breakGlassGroup }: PolicySettings): Cel =>
  `variables.others.filter(k, !(${breakGlassGroup} != "" && ${breakGlassGroup} in request.userInfo.?groups.orValue([]))).map(k, ${describeBreach(
    {
      rule: '9',
      path: 'k.path',
      expected: 'no ephemeral container in a pod with a sidecar',
      got: 'k.it.name',
    },
  )})`;

const target = `variables.others.filter(k, k.it.?targetContainerName.orValue("") == ${literal(SIDECAR_CONTAINER)}).map(k, ${describeBreach(
  {
    rule: '9',
    path: 'k.path + "/targetContainerName"',
    expected: 'any container but the sidecar',
    got: literal(SIDECAR_CONTAINER),
  },
)})`;
