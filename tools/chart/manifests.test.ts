import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

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

/** The manifest with one place written otherwise; fails the test if that place is not there. */
const applyTextChange = (from: string | RegExp, to: string): readonly KubernetesObject[] => {
  const changed = text.replace(from, to);
  expect(changed).not.toBe(text);
  return readObjects(changed);
};

describe('manifests/', () => {
  test('is one file', () => {
    expect(readdirSync(folder)).toEqual(['valetkey.yaml']);
  });

  test('holds exactly what an installation needs', () => {
    expect(objects.map(formatTitle).sort()).toEqual([
      'ClusterRole/valetkey-authority',
      'ClusterRole/valetkey-webhook',
      'ClusterRoleBinding/valetkey-authority',
      'ClusterRoleBinding/valetkey-authority-issuer-discovery',
      'ClusterRoleBinding/valetkey-webhook',
      'ConfigMap/valetkey-platform',
      'CustomResourceDefinition/revocations.valetkey.dev',
      'CustomResourceDefinition/taskpolicies.valetkey.dev',
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
      'Service/valetkey-authority',
      'Service/valetkey-webhook',
      'ServiceAccount/valetkey-authority',
      'ServiceAccount/valetkey-webhook',
      'StatefulSet/valetkey-authority',
      'TaskPolicy/valetkey-starter',
      'ValidatingAdmissionPolicy/valetkey-bindings',
      'ValidatingAdmissionPolicy/valetkey-exec',
      'ValidatingAdmissionPolicy/valetkey-pod-changes',
      'ValidatingAdmissionPolicy/valetkey-pods',
      'ValidatingAdmissionPolicy/valetkey-revocations',
      'ValidatingAdmissionPolicy/valetkey-tokens',
      'ValidatingAdmissionPolicyBinding/valetkey-bindings',
      'ValidatingAdmissionPolicyBinding/valetkey-exec',
      'ValidatingAdmissionPolicyBinding/valetkey-pod-changes',
      'ValidatingAdmissionPolicyBinding/valetkey-pods',
      'ValidatingAdmissionPolicyBinding/valetkey-revocations',
      'ValidatingAdmissionPolicyBinding/valetkey-tokens',
      'ValidatingWebhookConfiguration/valetkey',
    ]);
  });

  test('contains exactly the cluster-wide objects that `status` checks', () => {
    const listed = listInstalledObjects('authority');
    const kinds = new Set<string>(listed.map(({ kind }) => kind));
    const rendered = objects.filter(({ kind }) => kinds.has(kind)).map(formatTitle);
    expect(listed.map(({ kind, name }) => `${kind}/${name}`).sort()).toEqual(rendered.sort());
  });

  test('keeps every invariant of the chart', () => {
    expect(findInvariantFaults(objects)).toEqual([]);
  });

  test('the namespace comes first, and only restricted pods run in it', () => {
    expect(objects[0]?.kind).toBe('Namespace');
    expect(getValue(objects[0], 'metadata.labels[pod-security.kubernetes.io/enforce]')).toBe(
      'restricted',
    );
  });

  test.each([
    ['Deployment', 'valetkey-webhook'],
    ['StatefulSet', 'valetkey-authority'],
  ])('two replicas of the %s stand behind one Service and one budget', (kind, name) => {
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

describe('the invariants of the chart notice', () => {
  test.each([
    ['a caBundle', '    clientConfig:', '    clientConfig:\n      caBundle: AAAA', 'clientConfig'],
    ['a webhook that fails open', 'failurePolicy: Fail', 'failurePolicy: Ignore', 'failurePolicy'],
    ['another condition for asking', 'task.valetkey.dev/', 'task.example/', 'matchConditions'],
    [
      'a verb too many',
      /resources: \[events\]\n.*\[create\]/,
      'resources: [events]\n    verbs: [patch]',
      'patch /events',
    ],
    [
      'an admission policy that fails open',
      /(kind: ValidatingAdmissionPolicy\n[^]*?)failurePolicy: Fail/,
      '$1failurePolicy: Ignore',
      'ValidatingAdmissionPolicy/valetkey-exec: spec',
    ],
    ['a binding that only warns', /- Deny|\[Deny\]/, '[Warn]', 'ValidatingAdmissionPolicyBinding'],
    ['a token that outlives its pod', '== "Pod"', '!= "Pod"', 'valetkey-tokens: spec'],
    [
      'a right on every Secret',
      /resources: \[pods\]\n.*verbs: \[list\]/,
      'resources: [secrets]\n    verbs: [list]',
      'list /secrets',
    ],
    ['a foreign user', 'runAsUser: 64872', 'runAsUser: 64871', 'runAsUser'],
    ['the authority under another user', 'runAsUser: 64873', 'runAsUser: 64872', 'runAsUser'],
    [
      'an authority that is asked for otherwise',
      'VALETKEY_KEYS_SECRET',
      'VALETKEY_KEYS',
      'environment',
    ],
    ['another audience for asking', '== "authority.valetkey.dev"', '== "x"', 'matchConditions'],
    ['a missing flag', '- --disable-sigusr1', '- --no-warnings', 'command'],
    ['a missing variable', '- name: VALETKEY_SERVICE', '- name: VALETKEY_OTHER', 'environment'],
    ['an unknown kind', 'kind: PriorityClass', 'kind: PriorityClasses', 'unknown kind'],
    ['an apiVersion that is not served', 'policy/v1', 'policy/v1beta1', 'unknown kind'],
    ['a foreign namespace', 'namespace: valetkey\n', 'namespace: default\n', 'namespace'],
    ['settings that the webhook refuses', 'minLifetime: 1m', 'lifetimeFlor: 1m', 'lifetimeFlor'],
    ['two images', 'image: localhost/valetkey:0.1.0', 'image: localhost/other:1', 'image'],
  ])('%s', (_, from, to, fault) => {
    expect(findInvariantFaults(applyTextChange(from, to)).join('\n')).toContain(fault);
  });
});
