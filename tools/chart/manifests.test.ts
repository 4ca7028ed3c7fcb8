import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { listInstalledObjects } from '../../cmd/kubectl-valetkey/installed-objects.ts';
import { findInvariantFaults } from './invariants.ts';
import {
  getValue,
  readObjects,
  formatTitle,
  type KubernetesObject,
} from '../../test/kit/kubernetes-objects.ts';

const folder = join(import.meta.dirname, '../../manifests');
const text = readFileSync(join(folder, 'valetkey.yaml'), 'utf8');
const objects = readObjects(text);

/** Replaces one place of the manifest. The test fails if the place is missing. */
const applyTextChange = (from: string | RegExp, to: string): readonly KubernetesObject[] => {
  const changed = text.replace(from, to);
  expect(changed).not.toBe(text);
  return readObjects(changed);
};

describe('manifests/', () => {
  it('contains one file of an installation, and the quick start', () => {
    expect(readdirSync(folder).sort()).toEqual(['quickstart', 'valetkey.yaml']);
  });

  it('contains exactly the objects of an installation', () => {
    expect(objects.map(formatTitle).sort()).toEqual([
      'ClusterRole/valetkey-approver',
      'ClusterRole/valetkey-authority',
      'ClusterRole/valetkey-webhook',
      'ClusterRoleBinding/valetkey-authority',
      'ClusterRoleBinding/valetkey-authority-issuer-discovery',
      'ClusterRoleBinding/valetkey-webhook',
      'ConfigMap/valetkey-audit-heads',
      'ConfigMap/valetkey-authority-trust-bundle',
      'ConfigMap/valetkey-injection-templates',
      'ConfigMap/valetkey-platform',
      'ConfigMap/valetkey-policy-parameters',
      'CustomResourceDefinition/approvalrequests.valetkey.dev',
      'CustomResourceDefinition/approvals.valetkey.dev',
      'CustomResourceDefinition/revocations.valetkey.dev',
      'CustomResourceDefinition/taskpolicies.valetkey.dev',
      'CustomResourceDefinition/taskproposals.valetkey.dev',
      'CustomResourceDefinition/upstreams.valetkey.dev',
      'Deployment/valetkey-webhook',
      'MutatingWebhookConfiguration/valetkey',
      'Namespace/valetkey',
      'NetworkPolicy/valetkey-authority',
      'NetworkPolicy/valetkey-webhook',
      'PodDisruptionBudget/valetkey-authority',
      'PodDisruptionBudget/valetkey-webhook',
      'PriorityClass/valetkey-webhook',
      'Role/valetkey-authority',
      'Role/valetkey-webhook',
      'RoleBinding/valetkey-authority',
      'RoleBinding/valetkey-webhook',
      'Secret/valetkey-authority-audit',
      'Secret/valetkey-authority-ca',
      'Secret/valetkey-authority-keys',
      'Secret/valetkey-webhook-ca',
      'Service/valetkey-authority',
      'Service/valetkey-webhook',
      'ServiceAccount/valetkey-authority',
      'ServiceAccount/valetkey-webhook',
      'StatefulSet/valetkey-authority',
      'TaskPolicy/valetkey-starter',
      'ValidatingAdmissionPolicy/valetkey-approval-requests',
      'ValidatingAdmissionPolicy/valetkey-approvals',
      'ValidatingAdmissionPolicy/valetkey-bindings',
      'ValidatingAdmissionPolicy/valetkey-exec',
      'ValidatingAdmissionPolicy/valetkey-parameters',
      'ValidatingAdmissionPolicy/valetkey-pod-changes',
      'ValidatingAdmissionPolicy/valetkey-pods',
      'ValidatingAdmissionPolicy/valetkey-revocations',
      'ValidatingAdmissionPolicy/valetkey-tokens',
      'ValidatingAdmissionPolicy/valetkey-webhook-configurations',
      'ValidatingAdmissionPolicyBinding/valetkey-approval-requests',
      'ValidatingAdmissionPolicyBinding/valetkey-approvals',
      'ValidatingAdmissionPolicyBinding/valetkey-bindings',
      'ValidatingAdmissionPolicyBinding/valetkey-exec',
      'ValidatingAdmissionPolicyBinding/valetkey-parameters',
      'ValidatingAdmissionPolicyBinding/valetkey-pod-changes',
      'ValidatingAdmissionPolicyBinding/valetkey-pods',
      'ValidatingAdmissionPolicyBinding/valetkey-revocations',
      'ValidatingAdmissionPolicyBinding/valetkey-tokens',
      'ValidatingAdmissionPolicyBinding/valetkey-webhook-configurations',
      'ValidatingWebhookConfiguration/valetkey',
    ]);
  });

  it('contains exactly the cluster-wide objects that `status` checks', () => {
    const listed = listInstalledObjects('authority');
    const kinds = new Set<string>(listed.map(({ kind }) => kind));
    const rendered = objects.filter(({ kind }) => kinds.has(kind)).map(formatTitle);
    expect(listed.map(({ kind, name }) => `${kind}/${name}`).sort()).toEqual(rendered.sort());
  });

  it('satisfies the invariants of the chart', () => {
    expect(findInvariantFaults(objects)).toEqual([]);
  });

  it('starts with the namespace, which enforces restricted pods', () => {
    expect(objects[0]?.kind).toBe('Namespace');
    expect(getValue(objects[0], 'metadata.labels[pod-security.kubernetes.io/enforce]')).toBe(
      'restricted',
    );
  });

  it.each([
    ['Deployment', 'valetkey-webhook'],
    ['StatefulSet', 'valetkey-authority'],
  ])('two replicas of the %s have one Service and one disruption budget', (kind, name) => {
    const named = (each: string) =>
      objects.find((object) => formatTitle(object) === `${each}/${name}`);
    const labels = getValue(named(kind), 'spec.template.metadata.labels');
    expect(getValue(named(kind), 'spec.replicas')).toBe(2);
    const selectors = [
      getValue(named('Service'), 'spec.selector'),
      getValue(named('PodDisruptionBudget'), 'spec.selector.matchLabels'),
      getValue(named('NetworkPolicy'), 'spec.podSelector.matchLabels'),
      getValue(named(kind), 'spec.selector.matchLabels'),
    ];
    for (const selector of selectors) expect(labels).toMatchObject(selector as object);
  });
});

describe('findInvariantFaults', () => {
  it.each([
    ['a caBundle', '    clientConfig:', '    clientConfig:\n      caBundle: AAAA', 'clientConfig'],
    ['a webhook that fails open', 'failurePolicy: Fail', 'failurePolicy: Ignore', 'failurePolicy'],
    ['a webhook for other pods', /task\.valetkey\.dev\//g, 'task.example/', 'matchConditions'],
    [
      'a policy for fewer pods than the webhook',
      /(name: valetkey-pods\n[^]*?) pod\.spec\.\?initContainers\.orValue\(\[\]\)\.exists.*\n/,
      '$1\n',
      'ValidatingAdmissionPolicy/valetkey-pods: matchConditions',
    ],
    [
      'an additional verb',
      /resources: \[events\]\n.*\[create\]/,
      'resources: [events]\n    verbs: [patch]',
      'patch /events',
    ],
    [
      'an admission policy that fails open',
      /(kind: ValidatingAdmissionPolicy\n[^]*?)failurePolicy: Fail/,
      '$1failurePolicy: Ignore',
      'failurePolicy: expected "Fail"',
    ],
    ['a binding that only warns', /- Deny|\[Deny\]/, '[Warn]', 'ValidatingAdmissionPolicyBinding'],
    [
      'a policy without its parameters that allows',
      'parameterNotFoundAction: Deny',
      'parameterNotFoundAction: Allow',
      'parameterNotFoundAction',
    ],
    ['parameters of another platform', 'allowApiToken: "false"', 'allowApiToken: "true"', 'allow'],
    [
      'parameters that an uninstallation deletes before their policies',
      /(name: valetkey-policy-parameters\n[^]*?)helm.sh\/resource-policy: keep/,
      '$1helm.sh/resource-policy: none',
      'valetkey-policy-parameters: annotations',
    ],
    [
      'parameters that are protected in another namespace',
      'kubernetes.io/metadata.name: valetkey',
      'kubernetes.io/metadata.name: other',
      'valetkey-parameters: namespace',
    ],
    ["a policy for another container's name", `'"valetkey-sidecar"'`, `'"sidecar"'`, 'sidecarName'],
    ['a list that is shorter than in the programs', '"cloud.adc-e.uk", ', '', 'cloudDomains'],
    [
      'a right to create Secrets',
      /(resources: \[secrets\][^]*?verbs: )\[get, patch\]/,
      '$1[get, patch, create]',
      /create \/secrets\/[a-z-]+: is not allowed/,
    ],
    [
      'data in an object that programs write',
      /(kind: Secret\n)/,
      '$1data: {}\n',
      'Secret/valetkey-webhook-ca: data',
    ],
    [
      'a stored object that an uninstallation deletes',
      /(kind: Secret\n[^]*?)helm.sh\/resource-policy: keep/,
      '$1helm.sh/resource-policy: none',
      'metadata.annotations: expected',
    ],
    [
      'an object that no program may create and the chart does not',
      'name: valetkey-audit-heads',
      'name: valetkey-heads',
      'Objects that programs write',
    ],
    [
      'a right on every Secret',
      /resources: \[pods\]\n.*verbs: \[list\]/,
      'resources: [secrets]\n    verbs: [list]',
      'list /secrets',
    ],
    ['another user', 'runAsUser: 64872', 'runAsUser: 64871', 'runAsUser'],
    ['the authority under another user', 'runAsUser: 64873', 'runAsUser: 64872', 'runAsUser'],
    ['a renamed variable of the authority', 'VALETKEY_KEYS_SECRET', 'VALETKEY_KEYS', 'environment'],
    [
      'another audience in a match condition',
      '== "authority.valetkey.dev"',
      '== "x"',
      'matchConditions',
    ],
    ['a webhook for another audience', '== "authority.valetkey.dev"', '== "x"', 'matchConditions'],
    ['another port of the Service', 'targetPort: https', 'targetPort: 9443', 'targetPort'],
    ['another port of the program', 'value: ":10250"', 'value: ":9443"', 'VALETKEY_LISTEN'],
    ['a missing flag', '- --disable-sigusr1', '- --no-warnings', 'command'],
    ['a missing variable', '- name: VALETKEY_SERVICE', '- name: VALETKEY_OTHER', 'environment'],
    ['an unknown kind', 'kind: PriorityClass', 'kind: PriorityClasses', 'unknown kind'],
    ['an apiVersion that is not served', 'policy/v1', 'policy/v1beta1', 'unknown kind'],
    ['another namespace', 'namespace: valetkey\n', 'namespace: default\n', 'namespace'],
    ['settings that the webhook rejects', 'minLifetime: 1m', 'lifetimeFlor: 1m', 'lifetimeFlor'],
    ['two images', 'image: localhost/valetkey:0.1.0', 'image: localhost/other:1', 'image'],
  ])('%s', (_, from, to, fault) => {
    const expected =
      typeof fault === 'string' ? expect.stringContaining(fault) : expect.stringMatching(fault);
    expect(findInvariantFaults(applyTextChange(from, to)).join('\n')).toEqual(expected);
  });
});
