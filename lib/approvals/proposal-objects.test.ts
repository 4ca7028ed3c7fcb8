import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { PROPOSAL_CASES, PROPOSAL_NAME, SAMPLE_PROPOSAL } from '../../test/kit/proposal-cases.ts';
import { buildProposalName, parseTaskProposal } from './proposal-objects.ts';

const metadata = {
  name: PROPOSAL_NAME,
  namespace: 'research',
  uid: 'u1',
  creationTimestamp: '2026-01-01T00:00:00Z',
};

describe('parseTaskProposal', () => {
  it.each(PROPOSAL_CASES)('decides about $title', ({ spec, faultAt }) => {
    const found = parseTaskProposal({ metadata, spec });
    const faults = found.ok ? [] : found.faults.map(({ path }) => path);
    expect(faults).toEqual(faultAt === undefined ? [] : [faultAt]);
  });

  it('reads what the API server added', () => {
    expect(parseTaskProposal({ metadata, spec: SAMPLE_PROPOSAL })).toEqual({
      ok: true,
      value: {
        ...{ name: PROPOSAL_NAME, namespace: 'research', uid: 'u1', spec: SAMPLE_PROPOSAL },
        createdAt: Date.parse('2026-01-01T00:00:00Z'),
      },
    });
  });

  it.each([[undefined], [null], [7], [{}], [{ spec: SAMPLE_PROPOSAL }]])(
    'rejects the object %p',
    (found) => {
      expect(parseTaskProposal(found).ok).toBe(false);
    },
  );

  it('has the members of its custom resource', () => {
    const file = new URL('../../charts/valetkey/crds/taskproposals.yaml', import.meta.url);
    const crd = parse(readFileSync(file, 'utf8')) as {
      spec: {
        versions: {
          schema: { openAPIV3Schema: { properties: { spec: { properties: object } } } };
        }[];
      };
    };
    const { properties } = crd.spec.versions[0]?.schema.openAPIV3Schema.properties.spec ?? {};
    expect(Object.keys(properties ?? {}).toSorted()).toEqual(
      Object.keys(SAMPLE_PROPOSAL).toSorted(),
    );
  });
});

describe('buildProposalName', () => {
  const content = { serviceAccount: 'agent', role: 'arn', ...SAMPLE_PROPOSAL };

  it('is one for each content', () => {
    const name = buildProposalName(content);
    expect(name).toMatch(/^tp-[0-9a-f]{20}$/);
    expect(buildProposalName({ ...content, allow: [...content.allow] })).toBe(name);
    const changed = [
      { ...content, serviceAccount: 'other' },
      { ...content, role: 'other' },
      { ...content, task: 'other' },
      { ...content, allow: [{ actions: ['s3:GetObject'], resources: ['*'] }] },
    ].map(buildProposalName);
    expect(new Set([name, ...changed]).size).toBe(5);
  });
});
