import { describe, expect, it } from '@jest/globals';

import { formatFieldError } from '../schema/field-error.ts';
import { readRevocation } from './revocation.ts';

const buildStored = (spec: object, metadata: object = {}) => ({
  apiVersion: 'valetkey.dev/v1alpha1',
  kind: 'Revocation',
  metadata: {
    name: 'stop',
    uid: 'u-1',
    creationTimestamp: '2030-01-01T12:00:00Z',
    resourceVersion: '7',
    ...metadata,
  },
  spec,
});
const why = { reason: 'incident 7', by: 'ann@example.com' };

describe('readRevocation', () => {
  const targets: [string, object][] = [
    ['a run', { run: 'Run_1-a' }],
    ['a pod', { pod: { namespace: 'research', name: 'agent-0' } }],
    ['a pod by its UID', { pod: { namespace: 'research', name: 'agent-0', uid: '0b5c-1' } }],
    ['a task', { task: { namespace: 'research', serviceAccount: 'agent', task: 'summarize' } }],
    ['a service account', { serviceAccount: { namespace: 'research', name: 'agent.v2' } }],
    ['a namespace', { namespace: 'research' }],
    ['all', { all: true }],
  ];
  it.each(targets)('reads a Revocation of %s unchanged', (_, target) => {
    expect(readRevocation(buildStored({ ...target, ...why }))).toEqual({
      ok: true,
      value: {
        name: 'stop',
        uid: 'u-1',
        createdAt: Date.parse('2030-01-01T12:00:00Z'),
        spec: { ...target, ...why },
      },
    });
  });

  it.each(['2030-01-01T13:00:00Z', '2030-01-01T13:00:00.5+01:00'])(
    'accepts `until` %s',
    (until) => {
      expect(readRevocation(buildStored({ all: true, ...why, until })).ok).toBe(true);
    },
  );
});

describe('readRevocation returns field errors when', () => {
  const cases: [string, unknown, string][] = [
    ['it has no target', buildStored(why), 'spec: expected exactly one of run, pod, task'],
    [
      'it has two targets',
      buildStored({ ...why, all: true, namespace: 'a' }),
      'expected exactly one of',
    ],
    ['all is false', buildStored({ ...why, all: false }), 'spec.all: expected true, got false'],
    [
      'it has an unknown key',
      buildStored({ ...why, all: true, who: 'x' }),
      'spec.who: expected only',
    ],
    [
      'the pod has no name',
      buildStored({ ...why, pod: { namespace: 'a' } }),
      'spec.pod.name: expected',
    ],
    [
      'a name is invalid',
      buildStored({ ...why, namespace: 'A b' }),
      'spec.namespace: expected a DNS',
    ],
    [
      '`until` is not a time',
      buildStored({ ...why, all: true, until: 'soon' }),
      'spec.until: expected a time',
    ],
    [
      '`until` is not a date',
      buildStored({ ...why, all: true, until: '2030-13-45T00:00:00Z' }),
      'spec.until: expected a time',
    ],
    ['it has no reason', buildStored({ all: true, by: 'ann' }), 'spec.reason: expected 1 to 256'],
    [
      'it does not name its author',
      buildStored({ all: true, reason: 'x' }),
      'spec.by: expected 1 to 253',
    ],
    ['it has no spec', buildStored(undefined as never), 'spec: expected a mapping, got nothing'],
    [
      'it has no creation time',
      buildStored({ all: true, ...why }, { creationTimestamp: 'x' }),
      'createdAt',
    ],
  ];
  it.each(cases)('%s', (_, found, expected) => {
    const result = readRevocation(found);
    const lines = result.ok ? [] : result.faults.map(formatFieldError);
    expect(lines.join('\n')).toContain(expected);
    expect(lines.every((line) => line.startsWith('revocations/stop '))).toBe(true);
  });

  it.each([undefined, null, 7, {}])('it is %j', (found) => {
    expect(readRevocation(found).ok).toBe(false);
  });
});
