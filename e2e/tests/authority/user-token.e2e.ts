import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey } from 'jose';
import { waitFor } from '../../../test/kit/retry.ts';
import { userAudience, createUserIssuer, publishIssuer } from '../../cluster/issuer-documents.ts';
import { getJson } from '../../cluster/kubectl.ts';
import { readExchangeToken } from '../node-access.ts';
import {
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  recordSecrets,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import { sendOneFrom, createPurpose, buildTokenRequest } from './authority-requests.ts';
import {
  expectRefusal,
  waitForRecord,
  waitForRefusalRecord,
  type AuditRecord,
} from './audit-records.ts';
import { toEpochSeconds } from './forged-tokens.ts';

const { node } = testContext;

type UserTokenOptions = { audience?: string; lifetime?: number; issuer?: string };

// The issuer of these users is in the network of our own node.
if (node !== undefined) {
  describe(`an agent that acts for a user (${cloud.name})`, () => {
    const pod: PodRef = { namespace: '', pod: 'assistant' };
    let key: CryptoKey;
    let keyId: string;

    beforeAll(async () => {
      pod.namespace = await createNamespace('human');
      const pair = await generateKeyPair('ES256');
      key = pair.privateKey;
      keyId = randomUUID();
      const jwk = { ...(await exportJWK(pair.publicKey)), kid: keyId, alg: 'ES256', use: 'sig' };
      publishIssuer(node.issuerFolder, createUserIssuer(node), 'ES256', [jwk]);
      await runPod({ name: pod.pod, namespace: pod.namespace, tasks: { read: readReports } });
    });

    const idToken = async (human: UserTokenOptions = {}): Promise<string> => {
      const token = await signedFor(human);
      recordSecrets(token);
      return token;
    };

    const signedFor = ({ audience = userAudience, lifetime = 300, issuer }: UserTokenOptions) =>
      new SignJWT({ nonce: randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid: keyId })
        .setIssuer(issuer ?? createUserIssuer(node))
        .setSubject('ada@example.com')
        .setAudience(audience)
        .setIssuedAt(toEpochSeconds())
        .setExpirationTime(toEpochSeconds(lifetime))
        .sign(key);

    const start = (userToken: string) =>
      callSidecarWithRetry(pod, 'POST', '/v1/tasks/read/runs', { userToken });

    /** A token is used up also where the cloud answers too late, so that each attempt needs another one. */
    const startForUser = () =>
      waitFor('a run for the user', async () => {
        const userToken = await idToken();
        const run = await start(userToken);
        if (run.status !== 201) throw new Error(JSON.stringify(run));
        return { run, userToken };
      });

    /** What each record of an event of a run says about the run. */
    const pickRun = ({ actor, session, unmapped }: AuditRecord) => ({
      ...{ policies: actor?.authorizations, deadline: session?.expiration_time },
      ...{ pod: unmapped.pod, podUid: unmapped.pod_uid, task: unmapped.task, user: unmapped.user },
    });

    it('gets a run that is recorded with the user, whose token cannot be used again', async () => {
      const { run, userToken } = await startForUser();
      expect(run).toMatchObject({ status: 201, body: { task: 'read' } });
      const record = await waitForRecord(
        'a run for the user',
        ({ session, unmapped: { kind } }) =>
          kind === 'run.issued' && session?.uid === run.body['run'],
      );
      expect(record.unmapped.user).toEqual({
        issuer: createUserIssuer(node),
        subject: 'ada@example.com',
      });
      await expectRead(pod);
      const path = `/v1/runs/${String(run.body['run'])}`;
      expect(await callSidecarWithRetry(pod, 'DELETE', path)).toMatchObject({ status: 204 });
      const end = await waitForRecord(
        'the end of the run',
        ({ session, unmapped: { kind } }) =>
          kind === 'run.ended' && session?.uid === run.body['run'],
      );
      expect(pickRun(end)).toEqual(pickRun(record));
      expect(pickRun(end)).toMatchObject({ policies: [{ decision: 'allow' }], task: 'read' });

      const again = await start(userToken);
      expect(again).toMatchObject({ status: 403, body: { Code: 'user_token_replayed' } });
      const refusal = await waitForRefusalRecord(pod, 'user_token_replayed');
      expect(refusal).toMatchObject({ class_uid: 3003, status_id: 2 });
    });

    it('cannot use a user token in a second pod', async () => {
      const other = { ...pod, pod: 'accomplice' };
      await runPod({ name: other.pod, namespace: pod.namespace, tasks: { read: readReports } });
      const { userToken } = await startForUser();
      const purpose = createPurpose();
      const token = await readExchangeToken(node, other);
      const reply = await sendOneFrom(other, buildTokenRequest({ token, userToken, purpose }));
      await expectRefusal(reply, {
        status: 400,
        reason: 'user_token_replayed',
        purpose,
        pod: other,
      });
    });

    it('leaves a Lease that contains only a digest of the used token', async () => {
      const { userToken } = await startForUser();
      const leases = await getJson<{ items: { metadata: { name: string } }[] }>(cluster, [
        'leases',
        '-n',
        testContext.release.namespace,
      ]);
      const text = JSON.stringify(leases);
      expect(leases.items.length).toBeGreaterThan(0);
      expect(text).not.toContain('ada@example.com');
      expect(text).not.toContain(userToken.split('.')[2]);
    });

    it.each<[string, string, UserTokenOptions]>([
      ['for another audience', 'user_token_audience', { audience: 'other.example' }],
      ['with a lifetime of one hour', 'user_token_lifetime', { lifetime: 3600 }],
      ['that has expired', 'user_token_expired', { lifetime: -60 }],
      [
        'of an issuer that is not configured',
        'user_token_issuer',
        { issuer: 'https://other.example' },
      ],
    ])('is refused with a user token %s: %s', async (_what, reason, human) => {
      const purpose = createPurpose();
      const [token, userToken] = [await readExchangeToken(node, pod), await idToken(human)];
      const reply = await sendOneFrom(pod, buildTokenRequest({ token, userToken, purpose }));
      await expectRefusal(reply, { status: 400, reason, purpose, pod });
    });
  });
}
