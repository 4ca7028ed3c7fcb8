import { describe, expect, it } from '@jest/globals';
import { startEmbeddedCloud } from '../embedded-cloud.ts';
import { startLocalIssuer } from '../local-issuer.ts';

const ROLE = 'arn:aws:iam::111122223333:role/team/agent';
const TAGS = { principal_tags: { task: ['summarize'] } };

/** Assumes a role whose trust policy permits the actions, with a token that has the claims. */
const assumeTestRole = async (actions: readonly string[], claims: object) => {
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
  const response = await fetch(cloud.endpoint, {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  const text = await response.text();
  await Promise.all([cloud.close(), issuer.close()]);
  return { status: response.status, text };
};

const ASSUME = 'sts:AssumeRoleWithWebIdentity';

describe('createAssumeRole', () => {
  it.each([
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
  ])('given %s and a trust policy that permits %j', async (_, actions, claims, status) => {
    const response = await assumeTestRole(actions, claims);
    expect(response.status).toBe(status);
  });

  it('names the session by the role without its path', async () => {
    const { text } = await assumeTestRole([ASSUME], {});
    expect(text).toContain('<Arn>arn:aws:sts::111122223333:assumed-role/agent/session</Arn>');
  });
});
