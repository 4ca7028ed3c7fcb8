import { RUN_ID_LENGTH } from '../../contract/authority-api.ts';

/** STS, AssumeRoleWithWebIdentity: `[\w+=,.@-]{2,64}`. */
const MAX_LENGTH = 64;
const SESSION_NAME = /^[\w.-]+@[\w-]+$/;

/**
 * Builds the session name of a run: `<pod>@<run>`. It appears in the cloud's logs, and the deny list
 * matches it. If it is too long, the name of the pod is truncated, but never the run.
 *
 * @param run unique among all runs
 * @throws Error when the run is too long or contains characters that STS rejects
 */
export const buildSessionName = ({ podName, run }: { podName: string; run: string }): string => {
  const name = `${truncatePodName(podName, run.length)}@${run}`;
  if (!SESSION_NAME.test(name)) throw new Error('the pod and the run form no valid session name');
  return name;
};

/** Truncates the name of a pod as in the session names of its runs. */
export const truncatePodName = (podName: string, runLength = RUN_ID_LENGTH): string =>
  podName.slice(0, Math.max(0, MAX_LENGTH - runLength - 1));
