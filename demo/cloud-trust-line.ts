import type { EmbeddedCloud } from '../test/fakes/cloud/embedded-cloud.ts';
import { buildLine, type ResultLine } from './result-line.ts';

/** Sends the pod's own token to the cloud, which trusts only grants of the authority. */
export const checkCloudTrust = async (cloud: EmbeddedCloud, token: string): Promise<ResultLine> => {
  const startedAt = performance.now();
  const answer = await fetch(cloud.endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: 'arn:aws:iam:::role/agent-reports',
      RoleSessionName: 'stolen-token',
      WebIdentityToken: token,
    }),
  });
  const requestId = answer.headers.get('x-amzn-requestid');
  const event = cloud.listEvents().find((one) => one.requestId === requestId);
  return buildLine({
    name: "the pod's own token",
    expected: '400 InvalidIdentityToken by the cloud',
    got: `${answer.status} ${event?.code ?? ''} by the cloud`,
    detail: 'it trusts the authority alone',
    milliseconds: performance.now() - startedAt,
  });
};
