import { describe, expect, it } from '@jest/globals';
import type { AdmittedTasks } from '../contract/task.ts';
import { fail, succeed, type Result } from '../schema/field-error.ts';
import { AUDIENCE, claims, livePod, review } from './fixtures/workload-identity.ts';
import {
  createWorkloadIdentifier,
  type WorkloadIdentifierDeps,
} from './workload-identification.ts';
import type { ProjectedClaims } from './projected-token.ts';
import type { IDENTITY_REFUSALS } from './identity-refusals.ts';

const admitted: AdmittedTasks = { consumers: ['agent'], tasks: [] };
const labels = { 'valetkey.dev/team': 'research' };
const annotations = { 'example.com/owner': 'research' };
const exempted = { exemptions: ['4'], warned: ['7'] };
const evaluated = succeed({ admitted, templateHash: 'a1', exempted: exempted });

/** A cluster in which every check passes, except for `changes`. */
const createDeps = (changes: Partial<WorkloadIdentifierDeps> = {}): WorkloadIdentifierDeps => ({
  audience: AUDIENCE,
  readPod: () => Promise.resolve(livePod),
  reviewToken: () => Promise.resolve(review),
  readNamespaceLabels: () => Promise.resolve(labels),
  readServiceAccount: () => Promise.resolve(annotations),
  evaluatePod: () => evaluated,
  revalidateTasks: (tasks) => Promise.resolve(succeed(tasks)),
  ...changes,
});
const identifyClaims = (changes: Partial<WorkloadIdentifierDeps> = {}, peer?: string) =>
  createWorkloadIdentifier(createDeps(changes))(
    claims,
    'token',
    peer === undefined ? {} : { peer },
  );

const createDepsWithPod = (changes: {
  metadata?: object;
  spec?: object;
  status?: object;
}): Partial<WorkloadIdentifierDeps> => ({
  readPod: () =>
    Promise.resolve({
      ...livePod,
      metadata: { ...livePod.metadata, ...changes.metadata },
      spec: { ...livePod.spec, ...changes.spec },
      status: { ...livePod.status, ...changes.status },
    }),
});
const createDepsWithReview = (changes: object): Partial<WorkloadIdentifierDeps> => ({
  reviewToken: () => Promise.resolve({ ...review, ...changes }),
});
const rejectLookup = (): Promise<never> => Promise.reject(new Error('ECONNREFUSED'));
const fieldError = { path: '/spec/x', expected: 'a', got: 'b', rule: '3' };
const denied: Result<never> = fail([fieldError]);

/** Claims of a Kubernetes before 1.30. */
const olderClaims: ProjectedClaims = {
  namespace: claims.namespace,
  pod: claims.pod,
  serviceAccount: claims.serviceAccount,
  expiresAt: claims.expiresAt,
};

describe('createWorkloadIdentifier', () => {
  it('returns the running pod, the tasks of its sidecar, and the exempted rules', async () => {
    expect(await identifyClaims()).toEqual({
      namespace: 'research',
      namespaceLabels: labels,
      serviceAccount: 'agent',
      pod: { name: 'agent-0', uid: claims.pod.uid, node: 'node-1', ips: ['10.20.0.7', 'fd00::7'] },
      admitted,
      templateHash: 'a1',
      exempted,
      tokenExpiresAt: claims.expiresAt,
    });
  });

  it('looks up exactly what the token names', async () => {
    const asked: unknown[] = [];
    await identifyClaims({
      readPod: (place) => {
        asked.push(place);
        return Promise.resolve(livePod);
      },
      reviewToken: (...given) => {
        asked.push(given);
        return Promise.resolve(review);
      },
      readNamespaceLabels: (namespace) => {
        asked.push(namespace);
        return Promise.resolve(labels);
      },
      readServiceAccount: (place) => {
        asked.push(place);
        return Promise.resolve(annotations);
      },
      evaluatePod: (pod, { serviceAccount }) => {
        asked.push(pod, serviceAccount);
        return evaluated;
      },
    });
    const place = { namespace: 'research', name: 'agent-0' };
    const account = { namespace: 'research', name: 'agent' };
    expect(asked.slice(0, -2)).toEqual(
      expect.arrayContaining([place, account, ['token', AUDIENCE], 'research']),
    );
    expect(asked.slice(-2)).toEqual([livePod, { name: 'agent', annotations }]);
  });

  it('starts all lookups at once', () => {
    const asked: string[] = [];
    const unanswered = (what: string) => (): Promise<never> => {
      asked.push(what);
      return new Promise(() => undefined);
    };
    void identifyClaims({
      readPod: unanswered('pod'),
      reviewToken: unanswered('token'),
      readServiceAccount: unanswered('service account'),
      readNamespaceLabels: unanswered('namespace'),
    });
    expect(asked.sort()).toEqual(['namespace', 'pod', 'service account', 'token']);
  });

  it('evaluates a pod without a service account as one without a cloud identity', async () => {
    const given: unknown[] = [];
    await identifyClaims({
      readServiceAccount: () => Promise.resolve(undefined),
      evaluatePod: (_, { serviceAccount }) => {
        given.push(serviceAccount);
        return evaluated;
      },
    });
    expect(given).toEqual([undefined]);
  });

  it('accepts any node if the token names none', async () => {
    const workload = await createWorkloadIdentifier(createDeps())(olderClaims, 'token');
    expect(workload.pod.node).toBe('node-1');
  });

  it.each(['10.20.0.7', '::ffff:10.20.0.7', 'fd00::7'])(
    'may ask from %s, its own',
    async (peer) => {
      expect(await identifyClaims({}, peer)).toMatchObject({ pod: { name: 'agent-0' } });
    },
  );
});

type Case = readonly [
  what: string,
  code: keyof typeof IDENTITY_REFUSALS,
  Partial<WorkloadIdentifierDeps>,
];

describe('createWorkloadIdentifier refuses', () => {
  it.each<Case>([
    ['a pod that was deleted', 'pod_not_found', { readPod: () => Promise.resolve(undefined) }],
    [
      'another pod of the same name',
      'pod_replaced',
      createDepsWithPod({ metadata: { uid: 'other' } }),
    ],
    ['a pod without a uid', 'pod_replaced', createDepsWithPod({ metadata: { uid: undefined } })],
    ['an answer that is no pod', 'pod_replaced', { readPod: () => Promise.resolve('pod') }],
    [
      'a pod that is being deleted',
      'pod_terminating',
      createDepsWithPod({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }),
    ],
    ['a pod that succeeded', 'pod_ended', createDepsWithPod({ status: { phase: 'Succeeded' } })],
    ['a pod that failed', 'pod_ended', createDepsWithPod({ status: { phase: 'Failed' } })],
    [
      'a pod of another service account',
      'pod_service_account',
      createDepsWithPod({ spec: { serviceAccountName: 'admin' } }),
    ],
    ['a pod on another node', 'pod_node', createDepsWithPod({ spec: { nodeName: 'node-2' } })],
    ['a pod on no node', 'pod_node', createDepsWithPod({ spec: { nodeName: undefined } })],
    [
      'a token that the API server does not accept',
      'token_review_denied',
      createDepsWithReview({ authenticated: false }),
    ],
    [
      'a review that names no audience',
      'token_review_audience',
      createDepsWithReview({ audiences: [] }),
    ],
    [
      'a review for another audience',
      'token_review_audience',
      createDepsWithReview({ audiences: ['https://kubernetes.default.svc'] }),
    ],
    [
      'a review of another account',
      'token_review_identity',
      createDepsWithReview({ username: 'system:serviceaccount:research:admin' }),
    ],
    [
      'a review of a recreated account',
      'token_review_identity',
      createDepsWithReview({ uid: 'other' }),
    ],
    ['a review without a pod', 'token_review_identity', createDepsWithReview({ extra: {} })],
    [
      'a review of another pod',
      'token_review_identity',
      createDepsWithReview({
        extra: { ...review.extra, 'authentication.kubernetes.io/pod-uid': ['other'] },
      }),
    ],
    ['a pod that breaks a rule', 'pod_noncompliant', { evaluatePod: () => denied }],
    ['a sidecar made by hand', 'tasks_invalid', { revalidateTasks: () => Promise.resolve(denied) }],
    [
      'a namespace that is gone',
      'namespace_not_found',
      { readNamespaceLabels: () => Promise.resolve(undefined) },
    ],
  ])('%s: %s', async (_what, code, changes) => {
    await expect(identifyClaims(changes)).rejects.toMatchObject({ kind: 'refused', code });
  });

  it('a pod without a node, also if its token names none: pod_node', async () => {
    const cluster = createDeps(createDepsWithPod({ spec: { nodeName: undefined } }));
    await expect(createWorkloadIdentifier(cluster)(olderClaims, 'token')).rejects.toMatchObject({
      code: 'pod_node',
    });
  });

  it('a token that was copied to another pod: pod_address', async () => {
    await expect(identifyClaims({}, '10.20.0.8')).rejects.toMatchObject({
      kind: 'refused',
      code: 'pod_address',
    });
  });

  it('a violation, with the rule and up to ten culprits in the message', async () => {
    const many = fail(
      Array.from({ length: 12 }, (_, index) => ({ ...fieldError, path: `/${index}` })),
    );
    await expect(identifyClaims({ evaluatePod: () => many })).rejects.toMatchObject({
      message: expect.stringMatching(/^\/0: expected a, got b \(rule 3\)\n[^]*\nand 2 more$/),
    });
  });
});

describe('the order of checks', () => {
  it.each<Case>([
    [
      'about the pod',
      'pod_not_found',
      {
        readPod: () => Promise.resolve(undefined),
        reviewToken: rejectLookup,
        readServiceAccount: rejectLookup,
        readNamespaceLabels: rejectLookup,
      },
    ],
    [
      'about the token',
      'token_review_denied',
      {
        ...createDepsWithReview({ authenticated: false }),
        readServiceAccount: rejectLookup,
        evaluatePod: () => denied,
        readNamespaceLabels: rejectLookup,
      },
    ],
    [
      'about the rules',
      'pod_noncompliant',
      {
        evaluatePod: () => denied,
        revalidateTasks: () => Promise.resolve(denied),
      },
    ],
  ])('refuses with the code of the first check that fails: %s', async (_what, code, changes) => {
    await expect(identifyClaims(changes)).rejects.toMatchObject({ kind: 'refused', code });
  });
});

describe('a lookup that fails', () => {
  it.each<readonly [string, Partial<WorkloadIdentifierDeps>]>([
    ['the pod', { readPod: rejectLookup, ...createDepsWithReview({ authenticated: false }) }],
    ['the token', { reviewToken: rejectLookup, evaluatePod: () => denied }],
    ['the service account', { readServiceAccount: rejectLookup }],
    ['the namespace', { readNamespaceLabels: rejectLookup }],
  ])('is unavailable, not refused: %s', async (what, changes) => {
    await expect(identifyClaims(changes)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'kubernetes_unavailable',
      message: `the API server did not respond about ${what}`,
    });
  });

  it('is unavailable, not refused: a pod without a reported address', async () => {
    await expect(
      identifyClaims(createDepsWithPod({ status: { podIP: undefined } })),
    ).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'pod_address_unknown',
    });
  });
});
