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
export const sessionName = ({ podName, run }: { podName: string; run: string }): string => {
  const room = MAX_LENGTH - run.length - 1;
  const name = room < 1 ? '' : `${podName.slice(0, room)}@${run}`;
  if (!SESSION_NAME.test(name)) throw new Error('the pod and run make no session name');
  return name;
};
