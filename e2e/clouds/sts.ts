import { sendInsideNamespace } from '../cluster/namespace-request.ts';
import type { Cloud, SessionCredentials } from './cloud.ts';

export type WebIdentityRequest = {
  token: string;
  /** ARN; default: the cloud's default role. */
  roleArn?: string;
  sessionName?: string;
  durationSeconds?: number;
  /** An IAM session policy. */
  policy?: object;
};

/** Calls AssumeRoleWithWebIdentity, from inside or outside the cluster's network. @throws Error with the response */
export async function assumeRole(
  cloud: Cloud,
  request: WebIdentityRequest,
): Promise<SessionCredentials> {
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: request.roleArn ?? cloud.roles['agent-reports'] ?? '',
    RoleSessionName: request.sessionName ?? 'e2e',
    DurationSeconds: String(request.durationSeconds ?? 900),
    WebIdentityToken: request.token,
    ...(request.policy && { Policy: JSON.stringify(request.policy) }),
  });
  const { status, body } = await sendInsideNamespace(cloud.namespace, {
    method: 'POST',
    url: cloud.stsEndpoint,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  });
  if (status !== 200)
    throw new Error(`${cloud.name}: AssumeRoleWithWebIdentity: ${status} ${body}`);
  return {
    accessKeyId: findElement(body, 'AccessKeyId'),
    secretAccessKey: findElement(body, 'SecretAccessKey'),
    sessionToken: findElement(body, 'SessionToken'),
    expiresAt: findElement(body, 'Expiration'),
  };
}

function findElement(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  if (text === undefined) throw new Error(`STS response: expected <${name}>, got none`);
  return text;
}
