import { RUN_ID_LENGTH } from '../../contract/authority-api.ts';

/** STS, AssumeRoleWithWebIdentity: `[\w+=,.@-]{2,64}`. */
const MAX_LENGTH = 64;
const SESSION_NAME = /^[\w.-]+@[\w-]+$/;

/**
 * Names the session of a run: `<pod>@<run>`, which the cloud's trail shows and by which one session
 * can be denied. The pod's name gives way where both are too long together, the run's never does.
 *
 * @param run unique among all runs
 * @throws when the run leaves no room or holds characters that STS refuses
 */
export const buildSessionName = ({ podName, run }: { podName: string; run: string }): string => {
  const name = `${truncatePodName(podName, run.length)}@${run}`;
  if (!SESSION_NAME.test(name)) throw new Error('the pod and run make no session name');
  return name;
};

/** As much of a pod's name as the session names of its runs show. */
export const truncatePodName = (podName: string, runLength = RUN_ID_LENGTH): string =>
  podName.slice(0, Math.max(0, MAX_LENGTH - runLength - 1));
