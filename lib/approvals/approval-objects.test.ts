import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import {
  APPROVAL_CASES,
  REQUEST_CASES,
  REQUEST_NAME,
  SAMPLE_APPROVAL,
  SAMPLE_REQUEST,
} from '../../test/kit/approval-cases.ts';
import { parseApproval, parseApprovalRequest } from './approval-objects.ts';

const metadata = {
  name: REQUEST_NAME,
  namespace: 'research',
  uid: 'u1',
  creationTimestamp: '2026-01-01T00:00:00Z',
};

const listFaults = (result: ReturnType<typeof parseApproval | typeof parseApprovalRequest>) =>
  result.ok ? [] : result.faults.map(({ path }) => path);

describe('parseApprovalRequest', () => {
  it.each(REQUEST_CASES)('decides about $title', ({ spec, faultAt }) => {
    const found = parseApprovalRequest({ metadata, spec });
    expect(listFaults(found)).toEqual(faultAt === undefined ? [] : [faultAt]);
  });

  it('reads what the API server added', () => {
    const status = { state: 'approved', since: '2026-01-01T00:01:00Z' };
    expect(parseApprovalRequest({ metadata, spec: SAMPLE_REQUEST, status })).toEqual({
      ok: true,
      value: {
        ...{ name: REQUEST_NAME, namespace: 'research', uid: 'u1', state: 'approved' },
        since: Date.parse('2026-01-01T00:01:00Z'),
        ...{ createdAt: Date.parse('2026-01-01T00:00:00Z'), spec: SAMPLE_REQUEST },
      },
    });
  });

  it.each([[undefined], [null], [7], [{}], [{ spec: SAMPLE_REQUEST }]])(
    'rejects the object %p',
    (found) => {
      expect(parseApprovalRequest(found).ok).toBe(false);
    },
  );
});

describe('parseApproval', () => {
  it.each(APPROVAL_CASES)('decides about $title', ({ spec, faultAt }) => {
    const found = parseApproval({ metadata: { ...metadata, name: 'any' }, spec });
    expect(listFaults(found)).toEqual(faultAt === undefined ? [] : [faultAt]);
  });

  it('names the object in its errors', () => {
    const found = parseApproval({ metadata: { name: 'x' }, spec: SAMPLE_APPROVAL });
    const sources = found.ok ? [] : found.faults.map(({ source }) => source);
    expect(new Set(sources)).toEqual(new Set(['approvals/x']));
  });
});

describe('the CRDs', () => {
  type Schema = { properties?: Record<string, Schema> };
  const readSpec = (plural: string) => {
    const crd = parse(readFileSync(`charts/valetkey/crds/${plural}.yaml`, 'utf8')) as {
      spec: { scope: string; versions: { schema: { openAPIV3Schema: Schema } }[] };
    };
    expect(crd.spec.scope).toBe('Namespaced');
    return crd.spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec'];
  };
  const members = (schema: Schema | undefined) => Object.keys(schema?.properties ?? {}).sort();
  const accepted = (result: ReturnType<typeof parseApproval | typeof parseApprovalRequest>) => {
    const fault = result.ok ? undefined : result.faults.find(({ path }) => path === 'spec.unknown');
    return (fault?.expected ?? '').replace('only ', '').split(', ').sort();
  };

  it('have the members that the parsers read', () => {
    const spec = { unknown: 1 };
    expect(members(readSpec('approvalrequests'))).toEqual(
      accepted(parseApprovalRequest({ metadata, spec })),
    );
    expect(members(readSpec('approvals'))).toEqual(accepted(parseApproval({ metadata, spec })));
  });
});
