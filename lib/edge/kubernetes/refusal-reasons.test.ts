import { describe, expect, it } from '@jest/globals';

import type { ApiClient } from './api-client.ts';
import { KubernetesError, toKubernetesError } from './kubernetes-error.ts';
import { withRefusalReasons } from './refusal-reasons.ts';

const REASON = 'expected a user with verb approve on approvalgroups/data-owners';

const refuse =
  (status: number, body: string): ApiClient =>
  (culprit, { onResponse }) => {
    onResponse?.({ status, body, headers: {} });
    return Promise.reject(toKubernetesError(culprit, { statusCode: status }));
  };

const getError = async (calls: ApiClient, method: 'GET' | 'POST' = 'POST') => {
  const call = { method, path: '/x' } as const;
  const error = await withRefusalReasons(calls)('create x', call).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(KubernetesError);
  return error as KubernetesError;
};

describe("the API client of a user's commands", () => {
  const body = JSON.stringify({ kind: 'Status', message: REASON });

  it('says why the API server refuses what the user creates', async () => {
    const error = await getError(refuse(403, body));
    expect(error).toMatchObject({ code: 'refused', culprit: 'create x', status: 403 });
    expect(error.message).toBe(`create x: refused (${REASON})`);
  });

  it.each([
    ['the call reads', refuse(403, body), 'GET', 403],
    ['the object exists', refuse(409, body), 'POST', 409],
    ['the refusal is not JSON', refuse(403, 'a proxy'), 'POST', 403],
    ['the refusal has no message', refuse(403, '{}'), 'POST', 403],
  ] as const)('states the status alone where %s', async (_what, calls, method, status) => {
    expect((await getError(calls, method)).message).toContain(`(status ${status})`);
  });

  it('passes responses on to the call that asks for them', async () => {
    const seen: number[] = [];
    const onResponse = ({ status }: { readonly status: number }) => void seen.push(status);
    const calls = withRefusalReasons(refuse(403, body));
    const call = { method: 'POST', path: '/x', onResponse } as const;
    await expect(calls('create x', call)).rejects.toThrow(REASON);
    expect(seen).toEqual([403]);
  });
});
