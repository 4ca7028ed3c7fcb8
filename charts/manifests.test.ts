import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import { invariantFaults } from './invariants.ts';
import { at, ofKind, readObjects, titleOf, type KubernetesObject } from './objects.ts';

const folder = join(import.meta.dirname, '..', 'manifests');
const text = readFileSync(join(folder, 'valetkey.yaml'), 'utf8');
const objects = readObjects(text);

/** The manifest with one place written otherwise; fails the test if that place is not there. */
const withChange = (from: string | RegExp, to: string): readonly KubernetesObject[] => {
  const changed = text.replace(from, to);
  expect(changed).not.toBe(text);
  return readObjects(changed);
};

describe('manifests/', () => {
  test('is one file', () => {
    expect(readdirSync(folder)).toEqual(['valetkey.yaml']);
  });

  test('holds exactly what an installation needs', () => {
    expect(objects.map(titleOf).sort()).toEqual([
      'ClusterRole/valetkey-webhook',
      'ClusterRoleBinding/valetkey-webhook',
      'ConfigMap/valetkey-platform',
      'Deployment/valetkey-webhook',
      'MutatingWebhookConfiguration/valetkey',
      'Namespace/valetkey',
      'NetworkPolicy/valetkey-webhook',
      'PodDisruptionBudget/valetkey-webhook',
      'PriorityClass/valetkey-webhook',
      'Role/valetkey-webhook',
      'RoleBinding/valetkey-webhook',
      'Service/valetkey-webhook',
      'ServiceAccount/valetkey-webhook',
      'ValidatingWebhookConfiguration/valetkey',
    ]);
  });

  test('keeps every invariant of the chart', () => {
    expect(invariantFaults(objects)).toEqual([]);
  });

  test('the namespace comes first, and only restricted pods run in it', () => {
    expect(objects[0]?.kind).toBe('Namespace');
    expect(at(objects[0], 'metadata.labels[pod-security.kubernetes.io/enforce]')).toBe(
      'restricted',
    );
  });

  test('two replicas stand behind one Service and one budget', () => {
    const [deployment] = ofKind(objects, 'Deployment');
    const labels = at(deployment, 'spec.template.metadata.labels');
    expect(at(deployment, 'spec.replicas')).toBe(2);
    const selectors = [
      at(ofKind(objects, 'Service')[0], 'spec.selector'),
      at(ofKind(objects, 'PodDisruptionBudget')[0], 'spec.selector.matchLabels'),
      at(ofKind(objects, 'NetworkPolicy')[0], 'spec.podSelector.matchLabels'),
      at(deployment, 'spec.selector.matchLabels'),
    ];
    for (const selector of selectors) expect(labels).toMatchObject(selector as object);
  });
});

describe('the invariants of the chart notice', () => {
  test.each([
    ['a caBundle', '    clientConfig:', '    clientConfig:\n      caBundle: AAAA', 'clientConfig'],
    ['a webhook that fails open', 'failurePolicy: Fail', 'failurePolicy: Ignore', 'failurePolicy'],
    ['another condition for asking', 'task.valetkey.dev/', 'task.example/', 'matchConditions'],
    ['a verb too many', 'verbs: [create]', 'verbs: [create, delete]', 'delete /configmaps'],
    [
      'a right on every Secret',
      /resources: \[pods\]\n.*verbs: \[list\]/,
      'resources: [secrets]\n    verbs: [list]',
      'list /secrets',
    ],
    ['a foreign user', 'runAsUser: 64872', 'runAsUser: 64871', 'runAsUser'],
    ['a missing flag', '- --disable-sigusr1', '- --no-warnings', 'command'],
    ['a missing variable', '- name: VALETKEY_SERVICE', '- name: VALETKEY_OTHER', 'environment'],
    ['an unknown kind', 'kind: PriorityClass', 'kind: PriorityClasses', 'unknown kind'],
    ['an apiVersion that is not served', 'policy/v1', 'policy/v1beta1', 'unknown kind'],
    ['a foreign namespace', 'namespace: valetkey\n', 'namespace: default\n', 'namespace'],
    ['settings that the webhook refuses', 'lifetimeFloor: 1m', 'lifetimeFlor: 1m', 'lifetimeFlor'],
    ['two images', 'image: localhost/valetkey:0.1.0', 'image: localhost/other:1', 'image'],
  ])('%s', (_, from, to, fault) => {
    expect(invariantFaults(withChange(from, to)).join('\n')).toContain(fault);
  });
});
