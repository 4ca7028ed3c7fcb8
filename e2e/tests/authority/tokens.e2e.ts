import { createPublicKey, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
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

// Tokens are read from files of the node, and varied with the cluster's key.
if (node !== undefined) {
  describe(`the exchange token of a running pod (${cloud.name})`, () => {
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

    it('has only the audience of the authority', () => {
      expect(decodeJwt(token).aud).toEqual([exchangeAudience]);
    });

    it('gets credentials from its own pod, with a record of the intent and one of the outcome', async () => {
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
        'with a second audience',
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
        'that is valid from tomorrow',
        'token_not_yet_valid',
        (given) => sign(given, { claims: { nbf: toEpochSeconds(120) } }),
      ],
      [
        'with a lifetime of one hour',
        'token_lifetime',
        (given) => sign(given, { claims: { iat: toEpochSeconds(), exp: toEpochSeconds(3600) } }),
      ],
      [
        'with a modified claim',
        'token_signature',
        (given) => tamperToken(given, { exp: toEpochSeconds(600) }),
      ],
      [
        'signed by an unknown key under the id of a published one',
        'token_signature',
        (given) => forge(given),
      ],
      [
        'signed by an unknown key under its own id',
        'token_key_unknown',
        (given) => forge(given, { keyId: 'strange' }),
      ],
      ['with alg: none', 'token_algorithm', (given) => removeSignature(given)],
      [
        'with alg: none and a signature',
        'token_algorithm',
        (given) => removeSignature(given, given.split('.')[2]),
      ],
      [
        'signed by HS256 with the public key',
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
        'bound to no pod',
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
        'of another service account than its subject',
        'token_claims',
        (given) => sign(given, { claims: { sub: 'system:serviceaccount:kube-system:admin' } }),
      ],
    ];

    it.each(strangers)('%s: %s', async (_what, reason, make) => {
      const purpose = createPurpose();
      const reply = await sendOne(buildTokenRequest({ token: await make(token), purpose }));
      // The caller is unknown: the record names no pod, and the named pod gets no Event.
      await expectRefusal(reply, { status: 400, reason, purpose });
    });

    it.each([
      ['unsigned', (given: string) => removeSignature(given)],
      ['empty', () => 'a.b.c'],
    ])('%s cannot open an event stream', async (_what, make) => {
      const headers = { authorization: `Bearer ${make(token)}` };
      const listen = await sendOne({ method: 'GET', path: '/v1/events', headers });
      expect(listen.status).toBe(400);
    });

    it('is refused with pod_replaced if the pod was replaced by one of the same name', async () => {
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

    it('is refused with pod_service_account if it is of another service account', async () => {
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

    it('is refused by TokenReview if the API server did not issue it, even with a valid signature', async () => {
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

    it('is refused with pod_address if another pod sends it', async () => {
      const purpose = createPurpose();
      const reply = await sendOneFrom(other, buildTokenRequest({ token, purpose }));
      await expectRefusal(reply, { status: 403, reason: 'pod_address', purpose, pod });
    });

    it('is refused if the node sends it', async () => {
      const purpose = createPurpose();
      const reply = await sendOne(buildTokenRequest({ token, purpose }));
      await expectRefusal(reply, { status: 403, reason: 'pod_address', purpose, pod });
    });

    it.each([
      ['an unknown task', 400, 'task_unknown', { task: 'unknown' }],
      ['another consumer', 403, 'consumer_not_allowed', { consumer: 'absent' }],
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
      [
        'a param of a task without params',
        400,
        'params_invalid',
        { params: { folder: 'reports' } },
      ],
      ['a task without its declared param', 400, 'params_invalid', { task: 'narrow' }],
    ])('is refused for %s: %i %s', async (_what, status, reason, request) => {
      const purpose = createPurpose();
      const reply = await sendOneFrom(pod, buildTokenRequest({ token, purpose, ...request }));
      await expectRefusal(reply, { status, reason, purpose, pod });
    });

    it('cannot end a run of another pod', async () => {
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

  describe(`the exchange token of a pod that ends (${cloud.name})`, () => {
    let namespace: string;

    beforeAll(async () => {
      namespace = await createNamespace('endings');
    });

    it('is refused with pod_not_found once the pod is deleted', async () => {
      const pod = { namespace, pod: 'deleted' };
      await runPod({ name: pod.pod, namespace, tasks });
      const token = await readExchangeToken(node, pod);
      await runKubectl(cluster, ['delete', 'pod', pod.pod, '-n', namespace]);
      const purpose = createPurpose();
      const reply = await sendOne(buildTokenRequest({ token, purpose }));
      await expectRefusal(reply, { status: 403, reason: 'pod_not_found', purpose, pod });
    });

    it('is refused with pod_terminating as soon as the pod terminates', async () => {
      const pod = { namespace, pod: 'terminating' };
      const finalizers = ['e2e.valetkey.dev/held'];
      const object = buildAgentPod({ name: pod.pod, namespace, tasks });
      await applyObjects(cluster, { ...object, metadata: { ...object.metadata, finalizers } });
      await waitFor('the token of the pod', () => readExchangeToken(node, pod));
      await waitFor('the address of the pod', async () => {
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
