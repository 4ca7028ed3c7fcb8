import { describe, expect, test } from '@jest/globals';
import { fail } from '../schema/field-error.ts';
import { allowed, denied, errored, patched } from './outcome.ts';
import { answerReview, readReview } from './review.ts';

const review = {
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'a-uid',
    operation: 'CREATE',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    namespace: 'research',
    userInfo: { username: 'somebody', groups: ['people'], extra: {} },
    object: { kind: 'Pod' },
    oldObject: null,
  },
};

const listErrorPaths = (body: unknown): readonly string[] => {
  const result = readReview(body);
  return result.ok ? [] : result.faults.map(({ path }) => path);
};

describe('a review', () => {
  test('becomes a request; what it leaves out is empty', () => {
    expect(readReview(review)).toEqual({
      ok: true,
      value: {
        uid: 'a-uid',
        operation: 'CREATE',
        kind: { group: '', version: 'v1', kind: 'Pod' },
        subResource: '',
        namespace: 'research',
        name: '',
        dryRun: false,
        user: { name: 'somebody', groups: ['people'] },
        object: { kind: 'Pod' },
        oldObject: undefined,
      },
    });
  });

  test('of another version or kind is refused by name', () => {
    const other = { ...review, apiVersion: 'admission.k8s.io/v1beta1', kind: 'Status' };
    expect(readReview(other)).toEqual(
      fail([
        {
          path: '/apiVersion',
          expected: 'admission.k8s.io/v1',
          got: '"admission.k8s.io/v1beta1"',
        },
        { path: '/kind', expected: 'AdmissionReview', got: '"Status"' },
      ]),
    );
  });

  test('that is broken names every broken member', () => {
    const request = { uid: '', operation: 'PATCH', kind: { version: 1 }, namespace: [] };
    expect(listErrorPaths({ ...review, request })).toEqual([
      '/request/uid',
      '/request/operation',
      '/request/kind/version',
      '/request/kind/kind',
      '/request/namespace',
    ]);
  });

  test('without a user is of nobody, and of no group', () => {
    const request = { ...review.request, userInfo: undefined };
    expect(readReview({ ...review, request })).toMatchObject({
      value: { user: { name: '', groups: [] } },
    });
  });

  test.each([
    [{ groups: 'people' }, '/request/userInfo/groups'],
    [{ groups: ['people', 7] }, '/request/userInfo/groups/1'],
    [{ username: 7 }, '/request/userInfo/username'],
    [[], '/request/userInfo'],
  ])('whose user is %j is refused', (userInfo, path) => {
    expect(listErrorPaths({ ...review, request: { ...review.request, userInfo } })).toContain(path);
  });

  test.each([[null], [[]], ['text'], [7], [undefined]])('is no %j', (body) => {
    expect(listErrorPaths(body)).toContain('(root)');
  });
});

describe('an answer', () => {
  test.each([
    ['allowed', allowed()],
    ['patched', patched([{ op: 'remove', path: '/a' }])],
    ['denied', denied([])],
    ['errored', errored(500, 'a bug')],
  ])('that is %s has the uid of its request', (_, outcome) => {
    expect(answerReview({ uid: 'a-uid' }, outcome)).toMatchObject({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'a-uid', allowed: outcome.allowed },
    });
  });

  test('carries its patch in base64, and none when nothing changes', () => {
    const { patchType, patch } = patched([{ op: 'add', path: '/a', value: 'ü' }]);
    expect(patchType).toBe('JSONPatch');
    expect(JSON.parse(Buffer.from(patch ?? '', 'base64').toString())).toEqual([
      { op: 'add', path: '/a', value: 'ü' },
    ]);
    expect(patched([])).toEqual({ allowed: true });
  });

  test('says no with one line for each fault', () => {
    const faults = [
      { path: '/spec/hostPID', expected: 'false', got: 'true', rule: '3' },
      { path: '/metadata/name\n', expected: 'x', got: 'y' },
    ];
    expect(denied(faults).status).toEqual({
      status: 'Failure',
      code: 403,
      reason: 'Forbidden',
      message: String.raw`/spec/hostPID: expected false, got true (rule 3)
/metadata/name\u{a}: expected x, got y`,
    });
  });

  test('closes with advice', () => {
    const fault = { path: '/a', expected: 'b', got: 'c' };
    const { message } = denied([fault], {}, ['do this', 'and that']).status ?? {};
    expect(message).toBe('/a: expected b, got c\ndo this\nand that');
  });

  test('stays small however much is wrong', () => {
    const fault = { path: '/a', expected: 'b', got: 'c' };
    const lines = denied(Array.from({ length: 5000 }, () => fault)).status?.message.split('\n');
    expect(lines).toHaveLength(101);
    expect(lines?.at(-1)).toBe('and 4900 more');
  });

  test.each([
    [400, 'BadRequest'],
    [500, 'InternalError'],
    [503, 'ServiceUnavailable'],
  ] as const)('that failed with %i says %s', (code, reason) => {
    expect(errored(code, 'what').status).toMatchObject({ code, reason, message: 'what' });
  });

  test('has warnings of 256 bytes at most, cut between characters', () => {
    const [warning = ''] = allowed({ warnings: ['ü'.repeat(500)] }).warnings ?? [];
    expect(Buffer.byteLength(warning)).toBeLessThanOrEqual(256);
    expect(warning).toMatch(/^ü+…$/);
  });

  test('escapes what could forge a line or hide text', () => {
    const { warnings, auditAnnotations } = allowed({
      warnings: ['a\r\nb\u202e'],
      auditAnnotations: { tasks: 'x\u0000' },
    });
    expect(warnings).toEqual([String.raw`a\u{d}\u{a}b\u{202e}`]);
    expect(auditAnnotations).toEqual({ tasks: String.raw`x\u{0}` });
  });
});
