import { setTimeout as pause } from 'node:timers/promises';
import type { ClientAnswer } from './client-process.ts';
import { checkAnswer } from './scenarios.ts';

/** How often the client must be served in a row by the sidecar that was started again. */
const READS_AFTER_KILL = 3;
const BACK_WITHIN_MS = 60_000;
const PAUSE_MS = 20;

/** Status of a call that nothing answered, or that found no run yet. */
const UNAVAILABLE: readonly (number | null)[] = [null, 503];

/**
 * Kills the sidecar during a read, and goes on reading while it is started again. Until the client is served again, a
 * read may fail only because nothing or no run is there; afterwards none may fail, and the access key is the same.
 *
 * @param restart kills the sidecar at once, and resolves when it listens again
 * @returns what is wrong, or undefined
 */
export async function getThroughKill(
  get: () => Promise<ClientAnswer>,
  restart: () => Promise<void>,
): Promise<string | undefined> {
  const { accessKeyId } = await get();
  const sidecar = { isBack: false };
  const inFlight = get();
  const restarted = restart().then(() => void (sidecar.isBack = true));
  // It is awaited below, after the loop.
  restarted.catch(() => undefined);
  const check = (answer: ClientAnswer): string | undefined =>
    checkAnswer(answer, 'served') ??
    (answer.accessKeyId === accessKeyId
      ? undefined
      : `expected the same local keys, got ${accessKeyId} and then ${answer.accessKeyId}`);
  try {
    return await getUntilServedAgain({ get, check }, sidecar, inFlight);
  } finally {
    await restarted;
  }
}

type CheckedGet = {
  get: () => Promise<ClientAnswer>;
  check: (answer: ClientAnswer) => string | undefined;
};

async function getUntilServedAgain(
  { get, check }: CheckedGet,
  sidecar: Readonly<{ isBack: boolean }>,
  inFlight: Promise<ClientAnswer>,
): Promise<string | undefined> {
  const deadline = performance.now() + BACK_WITHIN_MS;
  let answer = await inFlight;
  for (let served = 0, beganAfter = false; ;) {
    const fault = check(answer);
    const mayFail = served === 0 && UNAVAILABLE.includes(answer.status);
    if (fault !== undefined && (!mayFail || performance.now() > deadline)) {
      return `after ${served} reads from the new sidecar: ${fault}`;
    }
    if (fault === undefined && beganAfter) served += 1;
    if (served === READS_AFTER_KILL) return undefined;
    // Some clients give up at once: they would keep a core busy.
    if (fault !== undefined) await pause(PAUSE_MS);
    beganAfter = sidecar.isBack;
    answer = await get();
  }
}
