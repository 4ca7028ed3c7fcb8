import { expect, test } from '@jest/globals';
import { startEmbeddedCloud } from '../embedded-cloud.ts';
import { startLocalIssuer } from '../local-issuer.ts';

const ROLE = 'arn:aws:iam::111122223333:role/agent';
const TAGS = { principal_tags: { task: ['summarize'] } };

/** What the cloud answers to a token with these claims where the role lets do this. */
const assumeTestRole = async (actions: readonly string[], claims: object): Promise<number> => {
  const issuer = await startLocalIssuer(Date.now);
  const provider = issuer.issuer.replace('http://', '');
  const Federated = `arn:aws:iam::111122223333:oidc-provider/${provider}`;
  const trust = { Effect: 'Allow', Principal: { Federated }, Action: actions };
  const policy = { Effect: 'Allow', Action: 's3:*', Resource: '*' };
  const document = (Statement: object) => JSON.stringify({ Version: '2012-10-17', Statement });
  const cloud = await startEmbeddedCloud({
    region: 'us-east-1',
    providers: [{ issuer: issuer.issuer, audiences: ['cloud'] }],
    roles: [{ arn: ROLE, trustPolicy: document(trust), policy: document(policy) }],
    buckets: {},
    now: Date.now,
  });
  const exp = Math.floor(Date.now() / 1000) + 60;
  const form = {
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: ROLE,
    RoleSessionName: 'session',
    WebIdentityToken: await issuer.sign({ sub: 'agent', aud: 'cloud', exp, ...claims }),
  };
  const { status } = await fetch(cloud.endpoint, {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  await Promise.all([cloud.close(), issuer.close()]);
  return status;
};

const ASSUME = 'sts:AssumeRoleWithWebIdentity';

test.each([
  ['a plain token', [ASSUME], {}, 200],
  ['tags', [ASSUME], { 'https://aws.amazon.com/tags': TAGS }, 403],
  ['tags', [ASSUME, 'sts:TagSession'], { 'https://aws.amazon.com/tags': TAGS }, 200],
  ['a source identity', [ASSUME], { 'https://aws.amazon.com/source_identity': 'me' }, 403],
  [
    'a source identity',
    [ASSUME, 'sts:SetSourceIdentity'],
    { 'https://aws.amazon.com/source_identity': 'me' },
    200,
  ],
])('%s, where the role lets do %j', async (_, actions, claims, status) => {
  expect(await assumeTestRole(actions, claims)).toBe(status);
});
