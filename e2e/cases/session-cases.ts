import { sessionCase, type CloudCase, type Difference } from './cloud-case.ts';
import type { SessionWish } from './sts-request.ts';

const allow = (actions: readonly string[], extra: object = {}): object => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: actions, Resource: ['arn:aws:s3:::acme-data/*'], ...extra },
  ],
});

/**
 * A policy of exactly so many characters, by many resources of ordinary length: RGW 16 dies of a
 * single one of 2,000 characters.
 */
const policyOfLength = (length: number): string => {
  const resources = ['arn:aws:s3:::acme-data/*'];
  const text = (): string => JSON.stringify(allow(['s3:GetObject'], { Resource: resources }));
  while (text().length < length - 200) resources.push('arn:aws:s3:::acme-data/reports/*');
  resources.push('arn:aws:s3:::acme-data/');
  return text().replace('acme-data/"', `acme-data/${'x'.repeat(length - text().length)}"`);
};

const granted = (reason: string): Difference => ({ reason, outcomes: ['done'] });

/** Who gets a session, and who does not. */
export const SESSION_CASES: readonly CloudCase[] = [
  sessionCase('a good token gets a session', {}, 'done'),
  sessionCase(
    'a token for another audience gets none',
    token({ audience: 'vault' }),
    'wrong token',
  ),
  sessionCase('a forged token gets none', token({ forged: true }), 'wrong token'),
  sessionCase(
    'a token of another issuer gets none',
    token({ issuer: 'https://other.example' }),
    'wrong token',
    { minio: granted('it asks whose key signed, not what iss says') },
  ),
  sessionCase(
    'a token that expired ten minutes ago gets none',
    token({ lifetimeSeconds: -600 }),
    'expired token',
  ),
  sessionCase(
    "another service account's token does not open the role",
    token({ subject: 'system:serviceaccount:default:other' }),
    'role refused',
    { minio: granted('it has no trust policies and does not read sub') },
  ),
  sessionCase('no token gets no session', { token: 'none' }, 'wrong token'),
  sessionCase('text that is no token gets no session', { token: 'garbage' }, 'wrong token'),
  sessionCase(
    'an unknown role is not opened',
    { roleArn: 'arn:aws:iam::111122223333:role/none' },
    'role refused',
  ),
  sessionCase(
    'a session shorter than 15 minutes is not to be had',
    { durationSeconds: 899 },
    'wrong parameter',
  ),
  sessionCase(
    'a session longer than 12 hours is not to be had',
    { durationSeconds: 43_201 },
    'wrong parameter',
    { minio: granted('its sessions may last for days') },
  ),
  sessionCase(
    'a session name has two characters at least',
    { sessionName: 'x' },
    'wrong parameter',
    { minio: granted('it does not read the session name') },
  ),
  sessionCase('a session name has no colon', { sessionName: 'a:b' }, 'wrong parameter', {
    minio: granted('it does not read the session name'),
  }),
  sessionCase(
    'a session policy of 2,048 characters is taken',
    { policy: policyOfLength(2048) },
    'done',
  ),
  sessionCase(
    'a session policy of 2,049 characters is not',
    { policy: policyOfLength(2049) },
    'wrong parameter',
    { minio: granted('its limit lies elsewhere') },
  ),
  sessionCase('a session policy that is no JSON is refused', { policy: '{' }, 'malformed policy'),
  sessionCase(
    'a session policy with an unknown action is refused',
    { policy: allow(['s3:NoSuchAction']) },
    'malformed policy',
  ),
  sessionCase(
    'a session policy with an unknown condition operator is refused',
    { policy: allow(['s3:GetObject'], { Condition: { StringNearly: { 'aws:userid': 'x' } } }) },
    'malformed policy',
  ),
];

function token(variation: Exclude<SessionWish['token'], string | undefined>): SessionWish {
  return { token: variation };
}
