import { describe, expect, it } from '@jest/globals';

import { allowed, denied } from '../../lib/admission/outcome.ts';
import type { AdmissionOutcome, AdmissionReview } from '../../lib/admission/review.ts';
import { getRequestId } from '../../lib/async/request-context.ts';
import type { LogFields } from '../../lib/contract/log.ts';
import { createAdmissionRoutes, type AdmissionRouteDeps } from './routes.ts';

const createTestRoutes = (
  handle: () => AdmissionOutcome,
  changes: Partial<AdmissionRouteDeps> = {},
) => {
  const lines: { message: string; fields: LogFields | undefined }[] = [];
  const counted: object[] = [];
  const errors: unknown[] = [];
  const write = (message: string, fields?: LogFields) => void lines.push({ message, fields });
  const decide = () => Promise.resolve().then(handle);
  const routes = createAdmissionRoutes({
    mutatePod: decide,
    validatePod: decide,
    warnWorkload: decide,
    admitPolicy: decide,
    metrics: { admissionAnswered: (answer) => void counted.push(answer) },
    log: { debug: write, info: write, warn: write, error: write },
    clock: { now: () => 0, monotonic: () => 0 },
    reportInternalError: (error) => {
      errors.push(error);
      return 'e-7';
    },
    ...changes,
  });
  const post = async (path: string, body: unknown) => {
    const answer = await (routes[path]?.(body) ?? Promise.reject(new Error('no such route')));
    const { status, headers } = answer;
    return { status, headers, body: answer.body as Partial<AdmissionReview> };
  };
  return { routes, post, lines, counted, errors };
};

const buildReview = (object: object = { spec: { containers: [] } }) => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'u-9',
    operation: 'CREATE',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    namespace: 'research',
    object,
  },
});

describe.each(['/mutate', '/validate', '/validate-policy'])('%s', (path) => {
  it('returns the uid of the request', async () => {
    const { post } = createTestRoutes(() => allowed());
    expect(await post(path, buildReview())).toMatchObject({
      status: 200,
      body: { response: { uid: 'u-9', allowed: true } },
    });
  });

  it('has the uid as the ID of the request', async () => {
    const uid = '0d7f8f2e-5a52-4f3e-9d8f-111111111111';
    const ids: unknown[] = [];
    const { post } = createTestRoutes(() => {
      ids.push(getRequestId());
      return allowed();
    });
    const review = buildReview();
    const answer = await post(path, { ...review, request: { ...review.request, uid } });
    expect([ids, answer.headers]).toEqual([[uid], { 'x-request-id': uid }]);
  });

  it('refuses the request with only an id after an internal error', async () => {
    const { post, errors, counted } = createTestRoutes(() => {
      throw new Error('at /spec/containers: secret');
    });
    const { status, body } = await post(path, buildReview());
    expect(status).toBe(200);
    expect(body.response).toEqual({
      uid: 'u-9',
      allowed: false,
      status: {
        status: 'Failure',
        code: 500,
        reason: 'InternalError',
        message: 'internal error e-7',
      },
    });
    expect(errors).toHaveLength(1);
    expect(counted).toMatchObject([{ outcome: 'errored', reason: 'none' }]);
  });

  it('names the fields of a malformed review, but not their values', async () => {
    const { post, lines, counted } = createTestRoutes(() => allowed());
    const { status, body } = await post(path, { ...buildReview(), kind: 'Pod' });
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain('/kind');
    expect(lines).toMatchObject([{ fields: { faults: ['/kind'] } }]);
    expect(counted).toMatchObject([{ outcome: 'malformed' }]);
  });
});

describe('/validate-policy', () => {
  it('is counted by its own name', async () => {
    const { post, counted } = createTestRoutes(() => allowed());
    await post('/validate-policy', buildReview());
    expect(counted).toMatchObject([{ operation: 'validate-policy', outcome: 'allowed' }]);
  });

  it('is not served without policies', () => {
    const { routes } = createTestRoutes(() => allowed(), { admitPolicy: undefined });
    expect(Object.keys(routes)).toEqual(['/mutate', '/validate', '/warn-workload']);
  });
});

describe('the label reason', () => {
  const refusals: [string, string][] = [
    ['3', '3'],
    ['declaration', 'declaration'],
    ['policy', 'policy'],
    ['1,3', 'several'],
    ['anything at all', 'other'],
  ];
  it.each(refusals)('of %s is %s', async (refused, reason) => {
    const fault = { path: '/spec', expected: 'x', got: 'y' };
    const { post, counted } = createTestRoutes(() =>
      denied([fault], { auditAnnotations: { refused } }),
    );
    await post('/validate', buildReview());
    expect(counted).toMatchObject([{ operation: 'validate', outcome: 'denied', reason }]);
  });
});

it('logs exempted violations at level info', async () => {
  const auditAnnotations = { exemptions: '4', warned: '7', 'break-glass': 'ada adds debug' };
  const quiet = () => undefined;
  const logged: unknown[] = [];
  const info = (_: string, fields?: LogFields) => void logged.push(fields);
  const log = { debug: quiet, info, warn: quiet, error: quiet };
  await createTestRoutes(() => allowed({ auditAnnotations }), { log }).post(
    '/validate',
    buildReview(),
  );
  await createTestRoutes(() => allowed({ auditAnnotations: { tasks: 'a' } }), { log }).post(
    '/validate',
    buildReview(),
  );
  expect(logged).toEqual([
    expect.objectContaining({ exemptions: '4', warned: '7', breakGlass: 'ada adds debug' }),
  ]);
});

describe('/warn-workload', () => {
  it('admits the workload if its evaluation fails, and logs the error', async () => {
    const { post, errors } = createTestRoutes(() => {
      throw new Error('broken');
    });
    const { body } = await post('/warn-workload', buildReview());
    expect(body.response).toEqual({ uid: 'u-9', allowed: true });
    expect(errors).toHaveLength(1);
  });
});
