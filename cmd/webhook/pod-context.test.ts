import { describe, expect, it } from '@jest/globals';

import { createPodContextReader, type PodContextDeps } from './pod-context.ts';

const rejectWithError = (): Promise<never> => Promise.reject(new Error('ECONNREFUSED'));

const readTestContext = (deps: Partial<PodContextDeps> = {}) => {
  const lines: unknown[] = [];
  const note = (message: string, fields = {}): void => void lines.push({ message, ...fields });
  const podContext = createPodContextReader({
    readNamespaceLabels: () => Promise.resolve({ team: 'research' }),
    readServiceAccount: () => Promise.resolve({ a: 'b' }),
    log: { debug: note, info: note, warn: note, error: note },
    ...deps,
  })({ namespace: 'research', serviceAccount: 'agent' });
  return { podContext, lines };
};

describe('createPodContextReader', () => {
  it('reads the labels of the namespace and the annotations of the service account', async () => {
    expect(await readTestContext().podContext).toEqual({
      labels: { team: 'research' },
      serviceAccount: { name: 'agent', annotations: { a: 'b' } },
    });
  });

  it('omits a missing service account and unreadable labels', async () => {
    const { podContext, lines } = readTestContext({
      readServiceAccount: () => Promise.resolve(undefined),
      readNamespaceLabels: rejectWithError,
    });
    expect(await podContext).toEqual({});
    expect(lines).toMatchObject([{ message: 'pod context not read', what: 'namespace' }]);
  });

  it('returns undefined if the service account cannot be read', async () => {
    const { podContext, lines } = readTestContext({ readServiceAccount: rejectWithError });
    expect(await podContext).toBeUndefined();
    expect(lines).toMatchObject([{ what: 'service account' }]);
  });
});
