import { describe, expect, test } from '@jest/globals';

import { createPodContextReader, type PodContextDeps } from './pod-context.ts';

const rejectWithError = (): Promise<never> => Promise.reject(new Error('ECONNREFUSED'));

const readTestContext = (edges: Partial<PodContextDeps> = {}) => {
  const lines: unknown[] = [];
  const note = (message: string, fields = {}): void => void lines.push({ message, ...fields });
  const podContext = createPodContextReader({
    readNamespaceLabels: () => Promise.resolve({ team: 'research' }),
    readServiceAccount: () => Promise.resolve({ a: 'b' }),
    log: { debug: note, info: note, warn: note, error: note },
    ...edges,
  })({ namespace: 'research', serviceAccount: 'agent' });
  return { surroundings: podContext, lines };
};

describe('the surroundings of a pod', () => {
  test('are the labels of its namespace and the annotations of its service account', async () => {
    expect(await readTestContext().surroundings).toEqual({
      labels: { team: 'research' },
      serviceAccount: { name: 'agent', annotations: { a: 'b' } },
    });
  });

  test('lack a service account that is not there, and labels that cannot be read', async () => {
    const { surroundings, lines } = readTestContext({
      readServiceAccount: () => Promise.resolve(undefined),
      readNamespaceLabels: rejectWithError,
    });
    expect(await surroundings).toEqual({});
    expect(lines).toMatchObject([{ message: 'pod context not read', what: 'namespace' }]);
  });

  test('are not known where the service account cannot be read', async () => {
    const { surroundings, lines } = readTestContext({ readServiceAccount: rejectWithError });
    expect(await surroundings).toBeUndefined();
    expect(lines).toMatchObject([{ what: 'service account' }]);
  });
});
