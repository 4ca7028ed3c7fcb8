import type { CaseCloud, TokenVariation } from './case-cloud.ts';
import { sendCaseRequest, parseXml, findText } from './case-http.ts';
import type { CaseAnswer } from './case-outcome.ts';

/** The shortest duration that STS accepts. */
export const DEFAULT_DURATION_SECONDS = 900;

/** A session request of a case; missing members have valid defaults. */
export type SessionRequest = {
  /** Text, or an object for compact JSON. Undefined: the whole scope of the role. */
  readonly policy?: object | string;
  readonly token?: TokenVariation | 'none' | 'garbage';
  readonly durationSeconds?: number;
  readonly sessionName?: string;
  readonly roleArn?: string;
  readonly version?: string;
};

export type SessionKeys = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
};

/** Posts `AssumeRoleWithWebIdentity` as an SDK does: unsigned, form-encoded. */
export const requestSession = async (
  cloud: CaseCloud,
  request: SessionRequest,
): Promise<CaseAnswer> =>
  sendCaseRequest({
    endpoint: cloud.stsEndpoint,
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(await buildForm(cloud, request)),
  });

/**
 * Reads the keys in a response of STS.
 *
 * @throws Error if an element is missing
 */
export const readKeys = ({ body }: CaseAnswer): SessionKeys => {
  const path = ['AssumeRoleWithWebIdentityResponse', 'AssumeRoleWithWebIdentityResult'];
  const part = (name: string): string => {
    const text = findText(parseXml(body), ...path, 'Credentials', name);
    if (text === '') throw new Error(`STS response: expected Credentials.${name}, got none`);
    return text;
  };
  return {
    accessKeyId: part('AccessKeyId'),
    secretAccessKey: part('SecretAccessKey'),
    sessionToken: part('SessionToken'),
    expiresAt: Date.parse(part('Expiration')),
  };
};

const buildForm = async (cloud: CaseCloud, request: SessionRequest): Promise<URLSearchParams> => {
  const { policy } = request;
  const token = await createTokenText(cloud, request.token ?? {});
  return new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: request.version ?? '2011-06-15',
    RoleArn: request.roleArn ?? cloud.roleArn,
    RoleSessionName: request.sessionName ?? 'case',
    DurationSeconds: String(request.durationSeconds ?? DEFAULT_DURATION_SECONDS),
    ...(token !== undefined && { WebIdentityToken: token }),
    ...(policy !== undefined && {
      Policy: typeof policy === 'string' ? policy : JSON.stringify(policy),
    }),
  });
};

const createTokenText = async (
  cloud: CaseCloud,
  token: TokenVariation | 'none' | 'garbage',
): Promise<string | undefined> => {
  if (token === 'none') return undefined;
  return token === 'garbage' ? 'not.a.token' : cloud.token(token);
};
