import { createPublicKey, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, runKubectl } from '../../cluster/kubectl.ts';
import { readExchangeToken } from '../node-access.ts';
import {
  buildAgentPod,
  cloud,
  cluster,
  createNamespace,
  readPod,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import {
  sendOne,
  sendOneFrom,
  exchangeAudience,
  createPurpose,
  buildTokenRequest,
} from './authority-requests.ts';
import { expectRefusal, waitForRecord } from './audit-records.ts';
import {
  createClusterSigner,
  signWithPublicKey,
  toEpochSeconds,
  createUntrustedSigner,
  tamperToken,
  removeSignature,
} from './forged-tokens.ts';

const { node } = testContext;
const tasks = {
  read: readReports,
  narrow: {
    allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{folder}/*'] }],
    params: { folder: { pattern: '[a-z]+', maxLength: 20 } },
  },
};

// Tokens stand in the node's files, and are varied with the cluster's own key.
if (node !== undefined) {
  describe(`the token of a live pod (${cloud.name})`, () => {
    const pod: PodRef = { namespace: '', pod: 'subject' };
    const other: PodRef = { namespace: '', pod: 'other' };
    const sign = createClusterSigner(node);
    const forge = createUntrustedSigner();
    const publicKey = createPublicKey(readFileSync(node.clusterSigningKey));
    let token: string;

    beforeAll(async () => {
      pod.namespace = other.namespace = await createNamespace('tokens');
      await Promise.all(
        [pod, other].map(({ namespace, pod: name }) => runPod({ name, namespace, tasks })),
      );
      token = await readExchangeToken(node, pod);
    });

    test('is for the authority alone', () => {
      expect(decodeJwt(token).aud).toEqual([exchangeAudience]);
    });

    test('gets credentials from the pod itself, with a record of intent and one of outcome', async () => {
      const purpose = createPurpose();
      const reply = await sendOneFrom(pod, buildTokenRequest({ token, purpose }));
      expect(reply).toMatchObject({ status: 200 });
      const { run } = JSON.parse(reply.body) as { run: string };
      for (const [kind, status] of [
        ['run.intent', 0],
        ['run.issued', 1],
      ] as const) {
        const record = await waitForRecord(
          kind,
          ({ session, unmapped }) => session?.uid === run && unmapped.kind === kind,
        );
        expect(record).toMatchObject({ class_uid: 3003, status_id: status, unmapped: { purpose } });
      }
    });

    const strangers: [string, string, (given: string) => string | Promise<string>][] = [
      [
        'for another audience',
        'token_audience',
        (given) => sign(given, { claims: { aud: ['sts.amazonaws.com'] } }),
      ],
      [
        'for a second audience besides',
        'token_audience',
        (given) => sign(given, { claims: { aud: [exchangeAudience, 'x'] } }),
      ],
      [
        'for the API server',
        'token_audience',
        (given) => sign(given, { claims: { aud: [node.issuer] } }),
      ],
      [
        'expired',
        'token_expired',
        (given) =>
          sign(given, {
            claims: {
              iat: toEpochSeconds(-700),
              nbf: toEpochSeconds(-700),
              exp: toEpochSeconds(-100),
            },
          }),
      ],
      [
        'of tomorrow',
        'token_not_yet_valid',
        (given) => sign(given, { claims: { nbf: toEpochSeconds(120) } }),
      ],
      [
        'that lives for an hour',
        'token_lifetime',
        (given) => sign(given, { claims: { iat: toEpochSeconds(), exp: toEpochSeconds(3600) } }),
      ],
      [
        'tampered with',
        'token_signature',
        (given) => tamperToken(given, { exp: toEpochSeconds(600) }),
      ],
      ['signed by a stranger', 'token_signature', (given) => forge(given)],
      [
        'signed by a stranger, who says so',
        'token_key_unknown',
        (given) => forge(given, { keyId: 'strange' }),
      ],
      ['that says alg: none', 'token_algorithm', (given) => removeSignature(given)],
      [
        'that says alg: none, with a signature',
        'token_algorithm',
        (given) => removeSignature(given, given.split('.')[2]),
      ],
      [
        'with HS256 by the public key',
        'token_algorithm',
        (given) =>
          signWithPublicKey(given, publicKey.export({ type: 'spki', format: 'pem' }).toString()),
      ],
      [
        'of another issuer',
        'token_issuer',
        (given) => sign(given, { claims: { iss: 'https://other.example' } }),
      ],
      [
        'of no pod',
        'token_claims',
        (given) =>
          sign(given, {
            claims: {
              'kubernetes.io': {
                namespace: pod.namespace,
                serviceaccount: readBoundClaims(given).serviceaccount,
              },
            },
          }),
      ],
      [
        'of another account than its subject',
        'token_claims',
        (given) => sign(given, { claims: { sub: 'system:serviceaccount:kube-system:admin' } }),
      ],
    ];

    test.each(strangers)('%s: %s', async (_what, reason, make) => {
      const purpose = createPurpose();
      const reply = await sendOne(buildTokenRequest({ token: await make(token), purpose }));
      // Nobody is known: the record names no pod, and no Event troubles the one that is named.
      await expectRefusal(reply, { status: 400, reason, purpose });
    });

    test.each([
      ['unsigned', (given: string) => removeSignature(given)],
      ['empty', () => 'a.b.c'],
    ])('%s opens no stream', async (_what, make) => {
      const headers = { authorization: `Bearer ${make(token)}` };
      const listen = await sendOne({ method: 'GET', path: '/v1/events', headers });
      expect(listen.status).toBe(400);
    });

    test('that is replaced in the cluster by a pod of the same name is refused: pod_replaced', async () => {
      const claims = {
        'kubernetes.io': { ...readBoundClaims(token), pod: { name: pod.pod, uid: randomUUID() } },
      };
      const purpose = createPurpose();
      const reply = await sendOneFrom(
        pod,
        buildTokenRequest({ token: await sign(token, { claims }), purpose }),
      );
      await expectRefusal(reply, { status: 403, reason: 'pod_replaced', purpose, pod });
    });

    test('of another account of its namespace is refused: pod_service_account', async () => {
      const uid = randomUUID();
      const sub = `system:serviceaccount:${pod.namespace}:default`;
      const claims = {
        sub,
        'kubernetes.io': { ...readBoundClaims(token), serviceaccount: { name: 'default', uid } },
      };
      const purpose = createPurpose();
      const reply = await sendOneFrom(
        pod,
        buildTokenRequest({ token: await sign(token, { claims }), purpose }),
      );
      await expectRefusal(reply, { status: 403, reason: 'pod_service_account', purpose, pod });
    });

    test('that the API server never gave, signed with its own key, is refused by its review', async () => {
      const { serviceaccount } = readBoundClaims(token);
      const claims = {
        'kubernetes.io': {
          ...readBoundClaims(token),
          serviceaccount: { ...serviceaccount, uid: randomUUID() },
        },
      };
      const purpose = createPurpose();
      const reply = await sendOneFrom(
        pod,
        buildTokenRequest({ token: await sign(token, { claims }), purpose }),
      );
      await expectRefusal(reply, { status: 400, reason: 'token_review_denied', purpose, pod });
    });

    test('copied to another pod is refused there: pod_address', async () => {
      const purpose = createPurpose();
      const reply = await sendOneFrom(other, buildTokenRequest({ token, purpose }));
      await expectRefusal(reply, { status: 403, reason: 'pod_address', purpose, pod });
    });

    test('copied to the node’s own network is refused too', async () => {
      const purpose = createPurpose();
      const reply = await sendOne(buildTokenRequest({ token, purpose }));
      await expectRefusal(reply, { status: 403, reason: 'pod_address', purpose, pod });
    });

    test.each([
      ['an unknown task', 400, 'task_unknown', { task: 'unknown' }],
      ['another consumer', 403, 'consumer_not_allowed', { consumer: 'nobody' }],
      [
        'a param outside its pattern',
        400,
        'params_invalid',
        { task: 'narrow', params: { folder: '../secrets' } },
      ],
      [
        'a param with a wildcard',
        400,
        'params_invalid',
        { task: 'narrow', params: { folder: '*' } },
      ],
      [
        'an undeclared param',
        400,
        'params_invalid',
        { task: 'narrow', params: { folder: 'reports', more: 'x' } },
      ],
      ['a param of a task without any', 400, 'params_invalid', { params: { folder: 'reports' } }],
      ['no param where one is declared', 400, 'params_invalid', { task: 'narrow' }],
    ])('does not get %s: %i %s', async (_what, status, reason, wish) => {
      const purpose = createPurpose();
      const reply = await sendOneFrom(pod, buildTokenRequest({ token, purpose, ...wish }));
      await expectRefusal(reply, { status, reason, purpose, pod });
    });

    test('does not end another pod’s run', async () => {
      const reply = await sendOneFrom(
        other,
        buildTokenRequest({
          token: await readExchangeToken(node, other),
          purpose: createPurpose(),
        }),
      );
      const { run } = JSON.parse(reply.body) as { run: string };
      const body = new URLSearchParams({
        token: run,
        subject_token: token,
        reason: 'completed',
      }).toString();
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const end = await sendOneFrom(pod, { method: 'POST', path: '/v1/revoke', headers, body });
      expect(end).toMatchObject({ status: 403, body: expect.stringContaining('run_not_owned') });
    });
  });

  describe(`the token of a pod that ends (${cloud.name})`, () => {
    let namespace: string;

    beforeAll(async () => {
      namespace = await createNamespace('endings');
    });

    test('is refused once it is deleted: pod_not_found', async () => {
      const pod = { namespace, pod: 'deleted' };
      await runPod({ name: pod.pod, namespace, tasks });
      const token = await readExchangeToken(node, pod);
      await runKubectl(cluster, ['delete', 'pod', pod.pod, '-n', namespace]);
      const purpose = createPurpose();
      const reply = await sendOne(buildTokenRequest({ token, purpose }));
      await expectRefusal(reply, { status: 403, reason: 'pod_not_found', purpose, pod });
    });

    test('is refused as soon as it terminates: pod_terminating', async () => {
      const pod = { namespace, pod: 'terminating' };
      const finalizers = ['e2e.valetkey.dev/held'];
      const object = buildAgentPod({ name: pod.pod, namespace, tasks });
      await applyObjects(cluster, { ...object, metadata: { ...object.metadata, finalizers } });
      await waitFor('its token', () => readExchangeToken(node, pod));
      await waitFor('its address', async () => {
        const { status } = await readPod<{ status: { podIP?: string } }>(namespace, pod.pod);
        return status.podIP !== undefined;
      });
      const token = await readExchangeToken(node, pod);
      await runKubectl(cluster, ['delete', 'pod', pod.pod, '-n', namespace, '--wait=false']);
      try {
        const purpose = createPurpose();
        const reply = await sendOne(buildTokenRequest({ token, purpose }));
        await expectRefusal(reply, { status: 403, reason: 'pod_terminating', purpose, pod });
      } finally {
        const release = JSON.stringify({ metadata: { finalizers: null } });
        await runKubectl(cluster, [
          'patch',
          'pod',
          pod.pod,
          '-n',
          namespace,
          '--type=merge',
          '-p',
          release,
        ]);
      }
    });
  });
}

type BoundClaims = { serviceaccount: { name: string; uid: string }; [claim: string]: unknown };

const readBoundClaims = (token: string): BoundClaims =>
  decodeJwt(token)['kubernetes.io'] as BoundClaims;
