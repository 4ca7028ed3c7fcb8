import { describe, expect, it } from '@jest/globals';
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
    userInfo: { username: 'user', groups: ['people'], extra: {} },
    object: { kind: 'Pod' },
    oldObject: null,
  },
};

const listErrorPaths = (body: unknown): readonly string[] => {
  const result = readReview(body);
  return result.ok ? [] : result.faults.map(({ path }) => path);
};

describe('readReview', () => {
  it('returns a request with empty values for omitted members', () => {
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
        user: { name: 'user', groups: ['people'] },
        object: { kind: 'Pod' },
        oldObject: undefined,
      },
    });
  });

  it('rejects another version or kind', () => {
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

  it('reports every malformed member', () => {
    const request = { uid: '', operation: 'PATCH', kind: { version: 1 }, namespace: [] };
    expect(listErrorPaths({ ...review, request })).toEqual([
      '/request/uid',
      '/request/operation',
      '/request/kind/version',
      '/request/kind/kind',
      '/request/namespace',
    ]);
  });

  it('accepts a review without a user', () => {
    const request = { ...review.request, userInfo: undefined };
    expect(readReview({ ...review, request })).toMatchObject({
      value: { user: { name: '', groups: [] } },
    });
  });

  it.each([
    [{ groups: 'people' }, '/request/userInfo/groups'],
    [{ groups: ['people', 7] }, '/request/userInfo/groups/1'],
    [{ username: 7 }, '/request/userInfo/username'],
    [[], '/request/userInfo'],
  ])('rejects the user %j', (userInfo, path) => {
    expect(listErrorPaths({ ...review, request: { ...review.request, userInfo } })).toContain(path);
  });

  it.each([[null], [[]], ['text'], [7], [undefined]])('rejects %j', (body) => {
    expect(listErrorPaths(body)).toContain('(root)');
  });
});

describe('answerReview and outcomes', () => {
  it.each([
    ['allowed', allowed()],
    ['patched', patched([{ op: 'remove', path: '/a' }])],
    ['denied', denied([])],
    ['errored', errored(500, 'an internal error')],
  ])('returns the uid of the request in an outcome that is %s', (_, outcome) => {
    expect(answerReview({ uid: 'a-uid' }, outcome)).toMatchObject({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'a-uid', allowed: outcome.allowed },
    });
  });

  it('encodes the patch in base64, and omits an empty one', () => {
    const { patchType, patch } = patched([{ op: 'add', path: '/a', value: 'ü' }]);
    expect(patchType).toBe('JSONPatch');
    expect(JSON.parse(Buffer.from(patch ?? '', 'base64').toString())).toEqual([
      { op: 'add', path: '/a', value: 'ü' },
    ]);
    expect(patched([])).toEqual({ allowed: true });
  });

  it('lists one line for each fault', () => {
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

  it('ends with advice', () => {
    const fault = { path: '/a', expected: 'b', got: 'c' };
    const { message } = denied([fault], {}, ['do this', 'and that']).status ?? {};
    expect(message).toBe('/a: expected b, got c\ndo this\nand that');
  });

  it('limits the number of faults', () => {
    const fault = { path: '/a', expected: 'b', got: 'c' };
    const lines = denied(Array.from({ length: 5000 }, () => fault)).status?.message.split('\n');
    expect(lines).toHaveLength(101);
    expect(lines?.at(-1)).toBe('and 4900 more');
  });

  it.each([
    [400, 'BadRequest'],
    [500, 'InternalError'],
    [503, 'ServiceUnavailable'],
  ] as const)('that failed with %i says %s', (code, reason) => {
    expect(errored(code, 'what').status).toMatchObject({ code, reason, message: 'what' });
  });

  it('truncates warnings to 256 bytes between characters', () => {
    const [warning = ''] = allowed({ warnings: ['ü'.repeat(500)] }).warnings ?? [];
    expect(Buffer.byteLength(warning)).toBeLessThanOrEqual(256);
    expect(warning).toMatch(/^ü+…$/);
  });

  it('escapes characters that could forge a line or hide text', () => {
    const { warnings, auditAnnotations } = allowed({
      warnings: ['a\r\nb\u202e'],
      auditAnnotations: { tasks: 'x\u0000' },
    });
    expect(warnings).toEqual([String.raw`a\u{d}\u{a}b\u{202e}`]);
    expect(auditAnnotations).toEqual({ tasks: String.raw`x\u{0}` });
  });
});
