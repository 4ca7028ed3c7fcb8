import assert from 'node:assert/strict';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { createAdmissionRoutes } from '../cmd/webhook/routes.ts';
import { createJsonApp } from '../lib/edge/http/json-app.ts';
import { platform } from '../lib/injection/fixtures/sample-platform.ts';
import { createInProcessAdmission } from '../test/kit/in-process-admission.ts';
import { anyChange, applyChange, compliantPod, type Json } from './pod-arbitraries.ts';
import { createProperty, type Property } from './property.ts';

const ignoreCall = (): void => undefined;

/** The webhook's routes without metrics and log. Internal errors are collected. */
const createAdmissionApp = () => {
  const errors: unknown[] = [];
  const reportInternalError = (error: unknown): string => `error-${errors.push(error)}`;
  const { mutate, validate } = createInProcessAdmission({ platform });
  const posts = createAdmissionRoutes({
    mutatePod: mutate,
    validatePod: validate,
    warnWorkload: validate,
    admitPolicy: undefined,
    metrics: { admissionAnswered: ignoreCall },
    log: { debug: ignoreCall, info: ignoreCall, warn: ignoreCall, error: ignoreCall },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    reportInternalError,
  });
  return { handler: createJsonApp({ posts, unready: () => [], reportInternalError }), errors };
};

const { handler, errors } = createAdmissionApp();

let server: Server | undefined;

const getServer = async (): Promise<number> => {
  if (server === undefined) {
    const opened = createServer(handler);
    await new Promise<void>((resolve) => opened.listen(0, '127.0.0.1', resolve));
    server = opened;
  }
  return (server.address() as AddressInfo).port;
};

type HttpAnswer = { readonly status: number; readonly text: string };

const postBytes = async (path: string, body: Buffer, type: string): Promise<HttpAnswer> => {
  const port = await getServer();
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': type, 'Content-Length': body.length };
    request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      );
    })
      .on('error', reject)
      .end(body);
  });
};

const buildReview = (object: unknown): Json => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'the-uid',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    operation: 'CREATE',
    namespace: 'research',
    name: '',
    userInfo: { username: 'user' },
    object,
    oldObject: null,
    dryRun: false,
  },
});

/** A change of a text that its author never meant: what no parser writes, but a wire can carry. */
const fragment = fc.oneof(
  fc.constantFrom(
    '"uid":"another",',
    '"uid":null,',
    '"object":null,',
    '"kind":"Binding",',
    '"\\ud800":"\\udfff",',
    '"x":1e999,',
    '"x":-0.0000000000000000001e-400,',
    '"x":123456789012345678901234567890,',
    '"__proto__":{"allowed":true},',
    '"constructor":{"prototype":[]},',
    '\u2028',
    '\ufeff',
    '}',
    ',',
    '\\',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.nat({ max: 60_000 }).map((depth) => `"deep":${'['.repeat(depth)}${']'.repeat(depth)},`),
  fc.nat({ max: 3_000 }).map((depth) => `"deep":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)},`),
);

const spliceText = (text: string, [where, what]: readonly [number, string]): string => {
  // After an opening brace most fragments are still JSON.
  const braces = [...text.matchAll(/\{/g)].map(({ index }) => index + 1);
  const at = where % 3 === 0 ? where % (text.length + 1) : (braces[where % braces.length] ?? 0);
  return text.slice(0, at) + what + text.slice(at);
};

const bytes: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        compliantPod,
        fc.array(anyChange, { maxLength: 3 }),
        fc.array(fc.tuple(fc.nat(), fragment), { maxLength: 3 }),
      )
      .map(([pod, changes, splices]) => {
        const review = changes.reduce<unknown>(
          (at, each) => applyChange(at, each).value,
          buildReview(pod),
        );
        return Buffer.from(splices.reduce(spliceText, JSON.stringify(review)));
      }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 }))
      .map(([where, more]) => {
        const whole = Buffer.from(JSON.stringify(buildReview({ metadata: {}, spec: {} })));
        const at = where % whole.length;
        return Buffer.concat([whole.subarray(0, at), Buffer.from(more), whole.subarray(at)]);
      }),
  },
);

const findUid = (body: Buffer): unknown =>
  (JSON.parse(body.toString()) as { request?: { uid?: unknown } }).request?.uid;

type Review = {
  readonly response?: { readonly uid?: unknown; readonly status?: { code?: number } };
};

const answersAnything = createProperty('any bytes of an AdmissionReview: its uid, or a clean 400', {
  runs: 300,
  inputs: fc.tuple(
    bytes,
    fc.constantFrom('/mutate', '/validate', '/validate?timeout=10s'),
    fc.oneof(
      { weight: 8, arbitrary: fc.constant('application/json') },
      fc.constantFrom('application/json; charset=utf-16', 'text/plain', 'application/json;;'),
    ),
  ),
  holds: async ([body, path, type]) => {
    const { status, text } = await postBytes(path, body, type);
    assert.deepEqual(errors.splice(0), []);
    const answer = JSON.parse(text) as Review & { message?: unknown };
    if (status !== 200) {
      assert.ok([400, 413, 415].includes(status), `${status}`);
      assert.equal(typeof answer.message, 'string');
      return;
    }
    assert.equal(answer.response?.uid, findUid(body));
    assert.notEqual(answer.response?.status?.code, 500);
  },
});

export const reviewProperties: readonly Property[] = [
  {
    ...answersAnything,
    close: () => {
      server?.closeAllConnections();
      server?.close();
      server = undefined;
      return Promise.resolve();
    },
  },
];
