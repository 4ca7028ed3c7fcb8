import { buildSessionCase, type CloudCase, type CloudDifference } from './cloud-case.ts';
import type { SessionRequest } from './sts-request.ts';

const buildAllowPolicy = (actions: readonly string[], extra: object = {}): object => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: actions, Resource: ['arn:aws:s3:::acme-data/*'], ...extra },
  ],
});

/**
 * Builds a policy of exactly `length` characters with many resources of ordinary length, because RGW 16
 * crashes on a single resource of 2,000 characters.
 */
const buildPolicyOfLength = (length: number): string => {
  const resources = ['arn:aws:s3:::acme-data/*'];
  const text = (): string =>
    JSON.stringify(buildAllowPolicy(['s3:GetObject'], { Resource: resources }));
  while (text().length < length - 200) resources.push('arn:aws:s3:::acme-data/reports/*');
  resources.push('arn:aws:s3:::acme-data/');
  return text().replace('acme-data/"', `acme-data/${'x'.repeat(length - text().length)}"`);
};

const toGrantedDifference = (reason: string): CloudDifference => ({ reason, outcomes: ['done'] });

/** Cases about who gets a session. */
export const SESSION_CASES: readonly CloudCase[] = [
  buildSessionCase('a valid token gets a session', {}, 'done'),
  buildSessionCase(
    'a token for another audience is refused',
    buildTokenRequest({ audience: 'vault' }),
    'wrong token',
  ),
  buildSessionCase('a forged token is refused', buildTokenRequest({ forged: true }), 'wrong token'),
  buildSessionCase(
    'a token of another issuer is refused',
    buildTokenRequest({ issuer: 'https://other.example' }),
    'wrong token',
    { minio: toGrantedDifference('it looks up the signing key and ignores iss') },
  ),
  buildSessionCase(
    'a token that expired ten minutes ago is refused',
    buildTokenRequest({ lifetimeSeconds: -600 }),
    'expired token',
  ),
  buildSessionCase(
    'a token of another service account cannot assume the role',
    buildTokenRequest({ subject: 'system:serviceaccount:default:other' }),
    'role refused',
    { minio: toGrantedDifference('it has no trust policies and ignores sub') },
  ),
  buildSessionCase('a request without a token is refused', { token: 'none' }, 'wrong token'),
  buildSessionCase('text that is not a token is refused', { token: 'garbage' }, 'wrong token'),
  buildSessionCase(
    'an unknown role is refused',
    { roleArn: 'arn:aws:iam::111122223333:role/none' },
    'role refused',
  ),
  buildSessionCase(
    'a session shorter than 15 minutes is refused',
    { durationSeconds: 899 },
    'wrong parameter',
  ),
  buildSessionCase(
    'a session longer than 12 hours is refused',
    { durationSeconds: 43_201 },
    'wrong parameter',
    { minio: toGrantedDifference('its sessions may last for days') },
  ),
  buildSessionCase(
    'a session name with one character is refused',
    { sessionName: 'x' },
    'wrong parameter',
    { minio: toGrantedDifference('it ignores the session name') },
  ),
  buildSessionCase(
    'a session name with a colon is refused',
    { sessionName: 'a:b' },
    'wrong parameter',
    {
      minio: toGrantedDifference('it ignores the session name'),
    },
  ),
  buildSessionCase(
    'a session policy of 2,048 characters is accepted',
    { policy: buildPolicyOfLength(2048) },
    'done',
  ),
  buildSessionCase(
    'a session policy of 2,049 characters is refused',
    { policy: buildPolicyOfLength(2049) },
    'wrong parameter',
    { minio: toGrantedDifference('it has another limit') },
  ),
  buildSessionCase(
    'a session policy that is not JSON is refused',
    { policy: '{' },
    'malformed policy',
  ),
  buildSessionCase(
    'a session policy with an unknown action is refused',
    { policy: buildAllowPolicy(['s3:NoSuchAction']) },
    'malformed policy',
  ),
  buildSessionCase(
    'a session policy with an unknown condition operator is refused',
    {
      policy: buildAllowPolicy(['s3:GetObject'], {
        Condition: { StringNearly: { 'aws:userid': 'x' } },
      }),
    },
    'malformed policy',
  ),
];

function buildTokenRequest(
  variation: Exclude<SessionRequest['token'], string | undefined>,
): SessionRequest {
  return { token: variation };
}
