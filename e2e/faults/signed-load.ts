import { request } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { signRequest, type Keys } from '../../bench/signed-calls.ts';
import { waitFor } from '../../test/kit/retry.ts';
import {
  callSidecar,
  isPassed,
  startLoad,
  type Attempt,
  type LoadOptions,
  type RunningLoad,
} from './credential-load.ts';
import {
  expectStatus,
  LONG_TASK,
  SIGNED_TASK,
  type PlatformUnderFault,
} from './platform-under-fault.ts';

/** Calls per second, beside as many requests for credentials. */
export const CALLS_PER_SECOND = 50;
/** Longer than a call may wait for its run. */
const CALL_TIMEOUT_MS = 20_000;

type SignedLoadOptions = LoadOptions & {
  /** Of the objects that are read: no other load has it. */
  readonly name: string;
  /** Absent: those of the task, with which each call uses the task's current run. */
  readonly keys?: Keys;
};

/**
 * Reads objects through the sidecar's gateway at a fixed rate, each once, with requests that are signed as by an
 * unmodified SDK. Each attempt reads an object of its own, so that the cloud and the journal name it.
 */
export const startSignedLoad = async (
  { sidecar, signingSocket }: Pick<PlatformUnderFault, 'sidecar' | 'signingSocket'>,
  { name, keys, ...options }: SignedLoadOptions,
): Promise<RunningLoad> => {
  const host = `127.0.0.1:${sidecar.gatewayPort}`;
  const given = keys ?? (await readLocalKeys(signingSocket));
  return startLoad(
    (place) =>
      sendCall(host, {
        path: `/acme-data/reports/${name}-${place.request}-${place.attempt}`,
        keys: given,
      }),
    options,
  );
};

/** Calls per second with the keys of one run. */
const RUN_CALLS_PER_SECOND = 10;

/** Starts a run that outlasts every outage, and makes calls with its own keys; none of them is repeated. */
export const startRunWithCalls = async (
  platform: PlatformUnderFault,
  name: string,
): Promise<{ readonly run: string; readonly load: RunningLoad }> => {
  const target = { socketPath: platform.signingSocket, method: 'POST' };
  const { run, credentials } = await waitFor(`the run ${name}`, async () => {
    const answer = await callSidecar({ ...target, path: `/v1/tasks/${LONG_TASK}/runs` }, {});
    return expectStatus(answer, 201).body as { run: string; credentials: Keys };
  });
  const options = { name, keys: credentials, perSecond: RUN_CALLS_PER_SECOND, repeatMs: 0 };
  const load = await startSignedLoad(platform, options);
  await waitFor(`a call of the run ${name}`, () => {
    if (load.answers().some(isPassed)) return true;
    const { status, code } = load.answers().at(-1) ?? {};
    throw new Error(`${load.answers().length} answers, the last one ${status} ${code}`);
  });
  return { run, load };
};

const readLocalKeys = (socketPath: string): Promise<Keys> =>
  waitFor('local keys', async () => {
    const path = `/v1/tasks/${SIGNED_TASK}/credentials`;
    const { status, body } = await callSidecar({ socketPath, path });
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    return body as Keys;
  });

/** One signed call over a connection of its own; status 0 if it fails. */
const sendCall = async (
  host: string,
  { path, keys }: { readonly path: string; readonly keys: Keys },
): Promise<Attempt> => {
  const signed = { method: 'GET', path, body: Buffer.alloc(0) };
  const headers = await signRequest(signed, { host, keys });
  const { promise, resolve } = Promise.withResolvers<Attempt>();
  const fail = (): void => resolve({ status: 0, retryAfterMs: undefined });
  const options = { agent: false, timeout: CALL_TIMEOUT_MS, headers };
  const going = request(`http://${host}${path}`, options, (response) => {
    const { statusCode: status = 0, headers: answered } = response;
    const seconds = Number(answered['retry-after'] ?? NaN);
    const code = answered['x-valetkey-code'];
    readText(response).then(
      (body) =>
        resolve({
          status,
          retryAfterMs: seconds >= 0 ? seconds * 1000 : undefined,
          ...(status === 200 && { expiresAt: Number(body) }),
          ...(typeof code === 'string' && { code }),
        }),
      fail,
    );
  });
  going.on('timeout', () => going.destroy(new Error('no answer in time')));
  going.on('error', fail);
  going.end();
  return promise;
};
