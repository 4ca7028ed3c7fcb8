import { describe, expect, test } from '@jest/globals';

import { openSurroundings, type SurroundingsEdges } from './surroundings.ts';

const broken = (): Promise<never> => Promise.reject(new Error('ECONNREFUSED'));

const read = (edges: Partial<SurroundingsEdges> = {}) => {
  const lines: unknown[] = [];
  const note = (message: string, fields = {}): void => void lines.push({ message, ...fields });
  const surroundings = openSurroundings({
    readNamespaceLabels: () => Promise.resolve({ team: 'research' }),
    readServiceAccount: () => Promise.resolve({ a: 'b' }),
    log: { debug: note, info: note, warn: note, error: note },
    ...edges,
  })({ namespace: 'research', serviceAccount: 'agent' });
  return { surroundings, lines };
};

describe('the surroundings of a pod', () => {
  test('are the labels of its namespace and the annotations of its service account', async () => {
    expect(await read().surroundings).toEqual({
      labels: { team: 'research' },
      serviceAccount: { name: 'agent', annotations: { a: 'b' } },
    });
  });

  test('lack a service account that is not there, and labels that cannot be read', async () => {
    const { surroundings, lines } = read({
      readServiceAccount: () => Promise.resolve(undefined),
      readNamespaceLabels: broken,
    });
    expect(await surroundings).toEqual({});
    expect(lines).toMatchObject([{ message: 'surroundings not read', what: 'namespace' }]);
  });

  test('are not known where the service account cannot be read', async () => {
    const { surroundings, lines } = read({ readServiceAccount: broken });
    expect(await surroundings).toBeUndefined();
    expect(lines).toMatchObject([{ what: 'service account' }]);
  });
});
