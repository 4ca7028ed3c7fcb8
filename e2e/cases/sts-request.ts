import type { CaseCloud, TokenVariation } from './case-cloud.ts';
import { sendCaseRequest, parseXml, findText } from './case-http.ts';
import type { CaseAnswer } from './case-outcome.ts';

/** The least there is. */
export const DEFAULT_DURATION_SECONDS = 900;

/** What a case asks STS for; whatever it leaves out is as it should be. */
export type SessionRequest = {
  /** Text, or an object to be written as compact JSON. Absent: the role's whole scope. */
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
export const requestSession = async (cloud: CaseCloud, wish: SessionRequest): Promise<CaseAnswer> =>
  sendCaseRequest({
    endpoint: cloud.stsEndpoint,
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(await buildForm(cloud, wish)),
  });

/**
 * The keys in an answer of STS.
 *
 * @throws Error when a part is missing
 */
export const readKeys = ({ body }: CaseAnswer): SessionKeys => {
  const path = ['AssumeRoleWithWebIdentityResponse', 'AssumeRoleWithWebIdentityResult'];
  const part = (name: string): string => {
    const text = findText(parseXml(body), ...path, 'Credentials', name);
    if (text === '') throw new Error(`STS answer: expected Credentials.${name}, got none`);
    return text;
  };
  return {
    accessKeyId: part('AccessKeyId'),
    secretAccessKey: part('SecretAccessKey'),
    sessionToken: part('SessionToken'),
    expiresAt: Date.parse(part('Expiration')),
  };
};

const buildForm = async (cloud: CaseCloud, wish: SessionRequest): Promise<URLSearchParams> => {
  const { policy } = wish;
  const token = await createTokenText(cloud, wish.token ?? {});
  return new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: wish.version ?? '2011-06-15',
    RoleArn: wish.roleArn ?? cloud.roleArn,
    RoleSessionName: wish.sessionName ?? 'case',
    DurationSeconds: String(wish.durationSeconds ?? DEFAULT_DURATION_SECONDS),
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
