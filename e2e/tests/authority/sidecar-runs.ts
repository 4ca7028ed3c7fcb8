import { waitFor } from '../../cluster/kubectl.ts';
import { callSidecarFromPod } from '../test-context.ts';
import type { CredentialKeys, PodRef } from '../test-context.ts';

/** What the sidecar says to whoever asks for the consumer's own task. */
export const requestKeys = (place: PodRef) =>
  callSidecarFromPod<CredentialKeys & { Code?: string }>(place, 'GET', '/v1/credentials');

/** Asks until there are some: an exchange may take longer than an answer. */
export const readRunKeys = (place: PodRef): Promise<CredentialKeys> =>
  waitFor(`credentials of ${place.pod}`, async () => {
    const { status, body } = await requestKeys(place);
    if (status !== 200) throw new Error(`${status} ${body.Code ?? ''}`);
    return body;
  });

export type StartedRun = { run: string; credentials: CredentialKeys };

/** Starts a run by name, asking again where its exchange takes longer than an answer. */
export const startRun = (
  place: PodRef,
  wish: { params?: Record<string, string>; purpose?: string } = {},
): Promise<StartedRun> =>
  waitFor(`a run of ${place.pod}`, async () => {
    const { status, body } = await callSidecarFromPod(place, 'POST', '/v1/tasks/read/runs', wish);
    if (status !== 201) throw new Error(`${status} ${String(body['Code'])}`);
    return body as StartedRun;
  });
