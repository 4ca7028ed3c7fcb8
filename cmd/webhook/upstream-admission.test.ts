import { describe, expect, it } from '@jest/globals';

import type { AdmissionRequest } from '../../lib/admission/review.ts';
import { MINIMAL_UPSTREAM } from '../../test/kit/upstream-cases.ts';
import { admitUpstream, isUpstream } from './upstream-admission.ts';

const build = (spec: unknown) => ({ metadata: { name: 'openai' }, spec });
const buildRequest = (
  spec: unknown,
  changes: Partial<AdmissionRequest> = {},
): AdmissionRequest => ({
  uid: 'u-1',
  operation: 'CREATE',
  kind: { group: 'valetkey.dev', version: 'v1alpha1', kind: 'Upstream' },
  subResource: '',
  namespace: '',
  name: 'openai',
  dryRun: false,
  user: { name: 'author', groups: [] },
  object: build(spec),
  ...changes,
});
const BROKEN = { url: 'http://api.example', protocol: 'smtp' };

describe('admitUpstream', () => {
  it('admits a valid Upstream without a warning', () => {
    expect(admitUpstream(buildRequest(MINIMAL_UPSTREAM))).toEqual({ allowed: true });
  });

  it('refuses an Upstream with its name and each field that is wrong', () => {
    const { allowed, status, auditAnnotations } = admitUpstream(
      buildRequest({ ...BROKEN, maxBody: 'large' }),
    );
    expect(allowed).toBe(false);
    expect(status?.message).toMatch(/^upstreams\/openai spec\.protocol: .*\n.*spec\.maxBody: /);
    expect(auditAnnotations).toEqual({ refused: 'upstream' });
  });

  it('warns about a secret that is sent without encryption', () => {
    const spec = { ...MINIMAL_UPSTREAM, url: 'http://api.internal', allowHttp: true };
    const { allowed, warnings } = admitUpstream(buildRequest(spec));
    expect({ allowed, warnings }).toEqual({
      allowed: true,
      warnings: ['openai: allowHttp sends the secret without encryption'],
    });
  });

  it('evaluates an update only if the spec changes, so that an older object can be labeled', () => {
    const operation = 'UPDATE';
    const labeled = { operation, oldObject: build({ ...BROKEN }) } as const;
    expect(admitUpstream(buildRequest(BROKEN, labeled)).allowed).toBe(true);
    const changed = { operation, oldObject: build(MINIMAL_UPSTREAM) } as const;
    expect(admitUpstream(buildRequest(BROKEN, changed)).allowed).toBe(false);
    expect(admitUpstream(buildRequest(undefined, { operation: 'DELETE' })).allowed).toBe(true);
  });

  it.each([[undefined], [7], [{}], [null]])('refuses the spec %p', (spec) => {
    expect(admitUpstream(buildRequest(spec)).allowed).toBe(false);
  });
});

describe('isUpstream', () => {
  it('knows the kind by group and version', () => {
    expect(isUpstream(buildRequest({}))).toBe(true);
    const kind = { group: 'other.dev', version: 'v1alpha1', kind: 'Upstream' };
    expect(isUpstream(buildRequest({}, { kind }))).toBe(false);
  });
});
