import { randomUUID } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { TOKEN_PATH } from '../../lib/contract/authority-api.ts';
import { createTestIssuer, type TestIssuer } from '../../lib/identity/fixtures/test-issuer.ts';
import { startHttpsServer, type HttpsServer } from '../../test/kit/https-server.ts';
import {
  buildExchangeForm,
  buildPlatformText,
  putPolicy,
  startAuthorityHarness,
  type AuthorityHarness,
  type Replica,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

const APPROVALS = '/apis/valetkey.dev/v1alpha1/namespaces/live/approvals';
const REQUESTS = '/apis/valetkey.dev/v1alpha1/namespaces/live/approvalrequests';
const ASK = `@id("ask") @approval("data-owners") forbid (principal, action == Action::"run", resource)
  unless { context.approvals.contains("data-owners") };`;

type Stored = {
  metadata: { name: string; uid: string };
  spec: { digest: string; requester: object };
};

describe('a run for a user that people are asked about', () => {
  let harness: AuthorityHarness;
  let people: TestIssuer;
  let login: HttpsServer;
  beforeEach(async () => {
    people = await createTestIssuer({ alg: 'ES256' });
    login = await startHttpsServer(
      () => (_, response) => response.end(JSON.stringify(people.jwks)),
    );
    harness = await startAuthorityHarness();
    putPolicy(harness.api, ASK, 'asking');
  });
  afterEach(async () => {
    await harness.close();
    await login.close();
  });

  const start = async ({ isMapped = true, requires = false } = {}): Promise<Replica> => {
    const issuer = {
      ...{ issuer: login.origin, jwksUri: `${login.origin}/keys`, audience: 'valetkey' },
      caBundle: login.caBundle,
      ...(isMapped && { kubernetesName: { claim: 'email', prefix: 'oidc:' } }),
    };
    const more = `  users: {issuers: [${JSON.stringify(issuer)}]}
  approvals: {requireSeparation: ${String(requires)}}`;
    const text = buildPlatformText(harness.sts.port, more);
    const replica = await harness.start(harness.configure({}, text));
    await replica.waitUntilReady();
    return replica;
  };

  /** Each time with a new token: one is accepted once. */
  const ask = async (replica: Replica, claims: object | undefined = {}) => {
    const iat = Math.floor(Date.now() / 1000);
    const userToken = await people.sign({
      ...{ iss: login.origin, sub: 'ada', aud: 'valetkey', iat, exp: iat + 200 },
      ...{ email: 'ada@example.com', email_verified: true, nonce: randomUUID(), ...claims },
    });
    const form = buildExchangeForm(await harness.podToken(), {}, userToken);
    const { status, body } = await replica.post(TOKEN_PATH, form);
    return { status, body, reason: body['reason'] };
  };

  const readPending = async (replica: Replica): Promise<Stored> => {
    const { body, reason } = await ask(replica);
    expect(reason).toBe('approval_pending');
    const { name } = body['approval'] as { name: string };
    return harness.api.get(`${REQUESTS}/${name}`) as unknown as Stored;
  };

  const approve = ({ metadata, spec }: Stored, by: string): void => {
    const labels = { 'valetkey.dev/request': metadata.name };
    const creationTimestamp = new Date().toISOString();
    const name = `${metadata.name}-${randomUUID().slice(0, 8)}`;
    harness.api.put(`${APPROVALS}/${name}`, {
      metadata: { name, namespace: 'live', uid: name, labels, creationTimestamp },
      spec: {
        request: { name: metadata.name, uid: metadata.uid, digest: spec.digest },
        ...{ decision: 'approve', group: 'data-owners', by },
      },
    });
  };

  it('is not approved by this user, but by another one', async () => {
    const replica = await start();
    const request = await readPending(replica);
    expect(request.spec.requester).toMatchObject({
      user: { issuer: login.origin, subject: 'ada', kubernetesName: 'oidc:ada@example.com' },
    });
    approve(request, 'oidc:ada@example.com');
    const own = await ask(replica);
    expect(own).toMatchObject({ status: 403, reason: 'approval_separation' });
    expect(own.body['error_description']).toContain('another person must approve');
    approve(request, 'oidc:mara@example.com');
    expect((await ask(replica)).status).toBe(200);
  });

  it('asks no one for a user without a known name, if separation is required', async () => {
    const replica = await start({ requires: true });
    const unverified = await ask(replica, { email_verified: false });
    expect(unverified).toMatchObject({ status: 403, reason: 'approval_separation' });
    const written = harness.api.requests.filter((each) => /^POST .*approvalrequests/.test(each));
    expect(written).toEqual([]);
    expect((await ask(replica)).reason).toBe('approval_pending');
  });

  it('compares no names if the platform does not state how Kubernetes names the user', async () => {
    const replica = await start({ isMapped: false });
    approve(await readPending(replica), 'oidc:ada@example.com');
    expect((await ask(replica)).status).toBe(200);
  });
});
