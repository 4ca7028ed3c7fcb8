import { expect } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { callSidecarFromPod } from '../test-context.ts';
import type { CredentialKeys, PodRef } from '../test-context.ts';

/** Requests the credentials of the consumer's only or default task, once. */
export const requestKeys = (place: PodRef) =>
  callSidecarFromPod<CredentialKeys & { Code?: string }>(place, 'GET', '/v1/credentials');

/** Requests credentials until the sidecar returns 200: an exchange may take longer than one response. */
export const readRunKeys = (place: PodRef): Promise<CredentialKeys> =>
  waitFor(`credentials of ${place.pod}`, async () => {
    const { status, body } = await requestKeys(place);
    if (status !== 200) throw new Error(`${status} ${body.Code ?? ''}`);
    return body;
  });

export type StartedRun = { run: string; credentials: CredentialKeys };

/** Starts a run of the task `read`; repeats the request while an exchange takes longer than one response. */
export const startRun = (
  place: PodRef,
  request: { params?: Record<string, string>; purpose?: string } = {},
): Promise<StartedRun> =>
  waitFor(`a run of ${place.pod}`, async () => {
    const path = '/v1/tasks/read/runs';
    const { status, body } = await callSidecarFromPod(place, 'POST', path, request);
    if (status !== 201) throw new Error(`${status} ${String(body['Code'])}`);
    return body as StartedRun;
  });

/** Expects 503 with Retry-After for a new run of the task `read`. */
export const expectUnavailable = async (place: PodRef): Promise<void> => {
  const { status, headers } = await callSidecarFromPod(place, 'POST', '/v1/tasks/read/runs', {});
  expect(status).toBe(503);
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
};
