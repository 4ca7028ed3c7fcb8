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
export const requestSession = async (cloud: CaseCloud, wish: SessionRequest): Promise<CaseAnswer> =>
  sendCaseRequest({
    endpoint: cloud.stsEndpoint,
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(await buildForm(cloud, wish)),
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
    if (text === '') throw new Error(`STS response:  expected Credentials.${name}, got none`);
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
