import { buildSessionCase, type CloudCase, type CloudDifference } from './cloud-case.ts';
import type { SessionRequest } from './sts-request.ts';

const buildAllowPolicy = (actions: readonly string[], extra: object = {}): object => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: actions, Resource: ['arn:aws:s3:::acme-data/*'], ...extra },
  ],
});

/**
 * A policy of exactly so many characters, by many resources of ordinary length: RGW 16 dies of a
 * single one of 2,000 characters.
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

/** Who gets a session, and who does not. */
export const SESSION_CASES: readonly CloudCase[] = [
  buildSessionCase('a good token gets a session', {}, 'done'),
  buildSessionCase(
    'a token for another audience gets none',
    buildTokenRequest({ audience: 'vault' }),
    'wrong token',
  ),
  buildSessionCase('a forged token gets none', buildTokenRequest({ forged: true }), 'wrong token'),
  buildSessionCase(
    'a token of another issuer gets none',
    buildTokenRequest({ issuer: 'https://other.example' }),
    'wrong token',
    { minio: toGrantedDifference('it asks whose key signed, not what iss says') },
  ),
  buildSessionCase(
    'a token that expired ten minutes ago gets none',
    buildTokenRequest({ lifetimeSeconds: -600 }),
    'expired token',
  ),
  buildSessionCase(
    "another service account's token does not open the role",
    buildTokenRequest({ subject: 'system:serviceaccount:default:other' }),
    'role refused',
    { minio: toGrantedDifference('it has no trust policies and does not read sub') },
  ),
  buildSessionCase('no token gets no session', { token: 'none' }, 'wrong token'),
  buildSessionCase('text that is no token gets no session', { token: 'garbage' }, 'wrong token'),
  buildSessionCase(
    'an unknown role is not opened',
    { roleArn: 'arn:aws:iam::111122223333:role/none' },
    'role refused',
  ),
  buildSessionCase(
    'a session shorter than 15 minutes is not to be had',
    { durationSeconds: 899 },
    'wrong parameter',
  ),
  buildSessionCase(
    'a session longer than 12 hours is not to be had',
    { durationSeconds: 43_201 },
    'wrong parameter',
    { minio: toGrantedDifference('its sessions may last for days') },
  ),
  buildSessionCase(
    'a session name has two characters at least',
    { sessionName: 'x' },
    'wrong parameter',
    { minio: toGrantedDifference('it does not read the session name') },
  ),
  buildSessionCase('a session name has no colon', { sessionName: 'a:b' }, 'wrong parameter', {
    minio: toGrantedDifference('it does not read the session name'),
  }),
  buildSessionCase(
    'a session policy of 2,048 characters is taken',
    { policy: buildPolicyOfLength(2048) },
    'done',
  ),
  buildSessionCase(
    'a session policy of 2,049 characters is not',
    { policy: buildPolicyOfLength(2049) },
    'wrong parameter',
    { minio: toGrantedDifference('its limit lies elsewhere') },
  ),
  buildSessionCase(
    'a session policy that is no JSON is refused',
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
