import { INJECTED_LABEL, SIDECAR_CONTAINER, TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import {
  concatLists,
  formatViolation,
  buildElements,
  toCelLiteral,
  buildMessage,
  quoteText,
  type Cel,
} from './cel.ts';
import { IS_SIDECAR, CONTAINER_LISTS, buildPlacedContainers } from './container-variables.ts';
import { buildHardeningViolations } from './hardening-violations.ts';
import { IS_KUBELET } from './kubelets.ts';
import { buildMountViolations } from './mount-violations.ts';
import {
  buildMatchConstraints,
  type AdmissionPolicy,
  type AdmissionPolicySettings,
  type Variable,
} from './validating-admission-policy.ts';
import { selectMatchConditions, buildUnlessExempted } from './policy-conditions.ts';

/**
 * Rules 8 to 10 on every way in which a pod changes. Kubelets and the scheduler write status all the
 * time: the API server judges it alone, and only in pods that are ours.
 */
export const buildPodChangesPolicy = (settings: AdmissionPolicySettings): AdmissionPolicy => ({
  name: 'valetkey-pod-changes',
  description: 'rules 8 to 10: what was admitted does not change',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: buildMatchConstraints(
      ['pods', 'pods/status', 'pods/ephemeralcontainers', 'pods/resize'],
      ['UPDATE'],
    ),
    matchConditions: selectMatchConditions(settings),
    variables: [
      ...variables,
      {
        name: 'breaches',
        expression: concatLists([
          buildUnlessExempted('8', concatLists([...changedMappings, ...fixedByRule8]), settings),
          ...(settings.trust === 'authority' ? [addresses] : []),
          buildUnlessExempted('9', buildAddedContainerViolations(settings), settings),
          target,
          buildUnlessExempted('4', buildHardeningViolations(settings), settings),
          buildMountViolations(),
          buildUnlessExempted('10', concatLists(fixedByRule10), settings),
        ]),
      },
    ],
    validations: [
      {
        expression: 'variables.breaches.size() == 0',
        messageExpression: buildMessage('variables.breaches'),
        message: 'what was admitted with the pod does not change (rules 8 to 10)',
        reason: 'Forbidden',
      },
    ],
  },
});

const buildSidecars = (subject: 'object' | 'oldObject'): Cel =>
  concatLists(
    CONTAINER_LISTS.map((list) => {
      const containers = buildElements(`${subject}.spec.${list}`);
      const index = `string(${containers}.map(each, each.name).indexOf(c.name))`;
      return `${containers}.filter(c, ${IS_SIDECAR}).map(c, {"path": dyn("/spec/${list}/" + ${index}), "it": dyn(c)})`;
    }),
  );

const buildMapping = (subject: 'object' | 'oldObject', name: string): Cel =>
  `dyn(${subject}.metadata.?${name}.orValue({}))`;

const variables: readonly Variable[] = [
  { name: 'annotations', expression: buildMapping('object', 'annotations') },
  { name: 'annotationsBefore', expression: buildMapping('oldObject', 'annotations') },
  { name: 'labels', expression: buildMapping('object', 'labels') },
  { name: 'labelsBefore', expression: buildMapping('oldObject', 'labels') },
  { name: 'sidecars', expression: buildSidecars('object') },
  { name: 'sidecarsBefore', expression: buildSidecars('oldObject') },
  { name: 'ofPod', expression: 'dyn(object.spec.?securityContext.orValue({}))' },
  { name: 'ephemeralContainers', expression: buildElements('object.spec.ephemeralContainers') },
  {
    name: 'others',
    expression: `${buildPlacedContainers('ephemeralContainers')}.filter(k, !${buildElements('oldObject.spec.ephemeralContainers')}.exists(c, c.name == k.it.name))`,
  },
];

/** Keys that are there now or were before, with another value. */
const buildChangedKeys = (name: 'annotations' | 'labels', isOurs: Cel): Cel => {
  const breach = formatViolation({
    rule: '8',
    path: `"/metadata/${name}/" + key.replace("/", "~1")`,
    expected:
      name === 'annotations'
        ? 'what it was when the pod was admitted (tasks are declared in the template of the workload or pool, docs/warm-pools.md)'
        : 'what it was when the pod was admitted',
    got: '"something else"',
  });
  const [now, before] = [`variables.${name}`, `variables.${name}Before`];
  return concatLists([
    `${now}.filter(key, ${isOurs} && !(key in ${before})).map(key, ${breach})`,
    `${before}.filter(key, ${isOurs} && !(key in ${now} && ${now}[key] == ${before}[key])).map(key, ${breach})`,
  ]);
};

const changedMappings = [
  buildChangedKeys('annotations', `key.startsWith(${toCelLiteral(TASK_ANNOTATION_PREFIX)})`),
  buildChangedKeys('labels', `key == ${toCelLiteral(INJECTED_LABEL)}`),
];

const buildChangedSidecarField = (rule: string, member: string): Cel => {
  const breach = formatViolation({
    rule,
    path: `k.path + "/${member}"`,
    expected: 'what it was when the pod was admitted',
    got: '"something else"',
  });
  const differs = (others: Cel): Cel =>
    `!${others}.exists(before, before.path == k.path && before.it.?${member} == k.it.?${member})`;
  return concatLists([
    `variables.sidecars.filter(k, ${differs('variables.sidecarsBefore')}).map(k, ${breach})`,
    `variables.sidecarsBefore.filter(k, !variables.sidecars.exists(now, now.path == k.path)).map(k, ${breach})`,
  ]);
};

const fixedByRule8 = [buildChangedSidecarField('8', 'image')];
const fixedByRule10 = [buildChangedSidecarField('10', 'resources')];

/** The authority takes a token from its pod's own address only, and status is where that stands. */
const addresses = `(object.?status.?podIP == oldObject.?status.?podIP && object.?status.?podIPs == oldObject.?status.?podIPs || ${IS_KUBELET} ? [] : [${formatViolation(
  {
    rule: '8',
    path: '"/status/podIP"',
    expected: 'an address that a kubelet wrote',
    got: quoteText('request.userInfo.username'),
  },
)}])`;

/** A new ephemeral container: of the break-glass group alone, and then by the rules of any other. */
const buildAddedContainerViolations = ({ breakGlassGroup }: AdmissionPolicySettings): Cel =>
  `variables.others.filter(k, !(${breakGlassGroup} != "" && ${breakGlassGroup} in request.userInfo.?groups.orValue([]))).map(k, ${formatViolation(
    {
      rule: '9',
      path: 'k.path',
      expected: 'no ephemeral container in a pod with a sidecar',
      got: 'k.it.name',
    },
  )})`;

const target = `variables.others.filter(k, k.it.?targetContainerName.orValue("") == ${toCelLiteral(SIDECAR_CONTAINER)}).map(k, ${formatViolation(
  {
    rule: '9',
    path: 'k.path + "/targetContainerName"',
    expected: 'any container but the sidecar',
    got: toCelLiteral(SIDECAR_CONTAINER),
  },
)})`;
