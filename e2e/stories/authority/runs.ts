import { waitFor } from '../../cluster/kubectl.ts';
import { askSidecar } from '../stage.ts';
import type { Keys, Place } from '../stage.ts';

/** What the sidecar says to whoever asks for the consumer's own task. */
export const askForKeys = (place: Place) =>
  askSidecar<Keys & { Code?: string }>(place, 'GET', '/v1/credentials');

/** Asks until there are some: an exchange may take longer than an answer. */
export const keysOf = (place: Place): Promise<Keys> =>
  waitFor(`credentials of ${place.pod}`, async () => {
    const { status, body } = await askForKeys(place);
    if (status !== 200) throw new Error(`${status} ${body.Code ?? ''}`);
    return body;
  });

export type StartedRun = { run: string; credentials: Keys };

/** Starts a run by name, asking again where its exchange takes longer than an answer. */
export const startRun = (
  place: Place,
  wish: { params?: Record<string, string>; purpose?: string } = {},
): Promise<StartedRun> =>
  waitFor(`a run of ${place.pod}`, async () => {
    const { status, body } = await askSidecar(place, 'POST', '/v1/tasks/read/runs', wish);
    if (status !== 201) throw new Error(`${status} ${String(body['Code'])}`);
    return body as StartedRun;
  });
