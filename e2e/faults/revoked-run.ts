import { API_GROUP, API_VERSION, REVOCATIONS } from '../../lib/contract/authority-api.ts';
import { RECONNECT_JITTER } from '../../lib/runs/revocation-stream.ts';
import { waitFor } from '../../test/kit/retry.ts';
import { callSidecar, isPassed, type LoadAnswer } from './credential-load.ts';
import type { FaultFigure } from './fault-results.ts';
import type { PlatformUnderFault } from './platform-under-fault.ts';
import { startRunWithCalls } from './signed-load.ts';

const COLLECTION = `/apis/${API_GROUP}/${API_VERSION}/${REVOCATIONS}`;

/**
 * How long calls of a revoked run may pass after a replica of the authority is ready again: until the sidecar's
 * next attempt to open its event stream, and the second within which a revocation acts.
 */
export const REVOCATION_SECONDS = RECONNECT_JITTER.maxMs / 1000 + 1;

export type RevokedRun = {
  /** When its Revocation was created, milliseconds since the epoch. */
  readonly revokedAt: number;
  /**
   * Waits until its calls are refused, and stops them.
   *
   * @param since when the authority could be reached, milliseconds since the epoch
   * @throws Error if calls passed for longer than `withinSeconds` after `since`, or after the first refusal
   */
  readonly finish: (since: number, withinSeconds: number) => Promise<readonly FaultFigure[]>;
  /** @throws Error if its sidecar says anything but that it was revoked */
  readonly expectRefused: () => Promise<void>;
};

/** Starts a run that a Revocation can name, and makes calls with its own keys. */
export const startRunToRevoke = async (platform: PlatformUnderFault, name: string) => {
  const { signingSocket, authority } = platform;
  const { run, load } = await startRunWithCalls(platform, name);
  const expectRefused = async (): Promise<void> => {
    const target = { socketPath: signingSocket, path: `/v1/runs/${run}/credentials` };
    const { status, body } = await callSidecar(target);
    if (status !== 403 || body['Code'] !== 'run_revoked')
      throw new Error(`${name}: expected 403 run_revoked, got ${status} ${String(body['Code'])}`);
  };
  return {
    revoke: (): RevokedRun => {
      const spec = { run, reason: 'a measurement', by: 'faults' };
      authority.cluster.objects.create(`${COLLECTION}/${name}`, { spec });
      const revokedAt = Date.now();
      return {
        revokedAt,
        finish: async (since, withinSeconds) => {
          await waitFor('the end of the revoked run', async () => {
            await expectRefused();
            return true;
          });
          await waitFor('a call that is refused', () => load.answers().some(isRefused));
          const answers = await load.stop();
          return toFigures(name, answers, { revokedAt, since, withinSeconds });
        },
        expectRefused,
      };
    },
  };
};

/** The gateway does not know the keys of a run that has ended. */
const isRefused = ({ status }: LoadAnswer): boolean => status === 403;

type RevocationTimes = {
  readonly revokedAt: number;
  readonly since: number;
  readonly withinSeconds: number;
};

/** @throws Error if calls passed for too long */
export const toFigures = (
  name: string,
  answers: readonly LoadAnswer[],
  { revokedAt, since, withinSeconds }: RevocationTimes,
): readonly FaultFigure[] => {
  const passed = answers.filter((each) => isPassed(each) && each.sentAt >= revokedAt);
  const last = passed.reduce((latest, { sentAt }) => Math.max(latest, sentAt), revokedAt);
  const firstRefused = answers
    .filter(isRefused)
    .reduce((first, { endedAt }) => Math.min(first, endedAt), Infinity);
  const afterSince = Math.max(0, last - since) / 1000;
  if (afterSince > withinSeconds || last > firstRefused) {
    throw new Error(
      `${name}: expected the last call of the revoked run within ${withinSeconds} s and before the first refusal, got ${afterSince} s, and ${(last - firstRefused) / 1000} s after it`,
    );
  }
  const label = name.replaceAll('-', ' ');
  return [
    { name: `${label}: calls that passed after the Revocation`, value: passed.length, unit: '' },
    {
      name: `${label}: last of them after the Revocation`,
      value: (last - revokedAt) / 1000,
      unit: 's',
    },
    ...(since === revokedAt
      ? []
      : [
          {
            name: `${label}: last of them after the authority was ready`,
            value: afterSince,
            unit: 's',
          },
        ]),
  ];
};
