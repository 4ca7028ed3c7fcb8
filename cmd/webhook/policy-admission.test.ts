import { describe, expect, it } from '@jest/globals';

import type { AdmissionRequest } from '../../lib/admission/review.ts';
import {
  admitPolicy as admitPolicyUnder,
  type PolicyAdmissionOptions,
} from './policy-admission.ts';

const SOUND = 'permit (principal, action == Action::"run", resource);';
const BROKEN = `${SOUND}\npermit (principal, action == Action::"run", resource) when { context.lifetime < 5 };`;

const buildPolicy = (cedar: unknown) => ({ metadata: { name: 'team' }, spec: { cedar } });
const buildRequest = (
  cedar: unknown,
  changes: Partial<AdmissionRequest> = {},
): AdmissionRequest => ({
  uid: 'u-1',
  operation: 'CREATE',
  kind: { group: 'valetkey.dev', version: 'v1alpha1', kind: 'TaskPolicy' },
  subResource: '',
  namespace: '',
  name: 'team',
  dryRun: false,
  user: { name: 'author', groups: [] },
  object: buildPolicy(cedar),
  ...changes,
});

const NOW = Date.UTC(2026, 10, 28, 12);
const admitPolicy = (
  request: AdmissionRequest,
  vend: PolicyAdmissionOptions['vend'] = 'exception',
) => admitPolicyUnder(request, { vend, now: () => NOW });

describe('admitPolicy', () => {
  it('admits a valid TaskPolicy', () => {
    expect(admitPolicy(buildRequest(SOUND))).toMatchObject({ allowed: true });
  });

  it('refuses a TaskPolicy with its name and the line of each fault', () => {
    const { allowed, status, auditAnnotations } = admitPolicy(buildRequest(BROKEN));
    expect(allowed).toBe(false);
    expect(status?.message).toMatch(/TaskPolicy team line 2/);
    expect(auditAnnotations).toEqual({ refused: 'policy' });
  });

  it('refuses a policy that a wider pattern would bypass', () => {
    const escaping = `forbid (principal, action == Action::"run", resource)
when { context.resource like "arn:aws:s3:::acme/secret/*" };`;
    const { status } = admitPolicy(buildRequest(escaping));
    expect(status?.message).toMatch(/line 2/);
  });

  it.each([[undefined], [7], [{}]])('refuses the text %p', (cedar) => {
    expect(admitPolicy(buildRequest(cedar)).allowed).toBe(false);
  });

  it('evaluates an update only if the text changes', () => {
    const operation = 'UPDATE';
    const changed = { operation, oldObject: buildPolicy(SOUND) } as const;
    expect(admitPolicy(buildRequest(BROKEN, changed)).allowed).toBe(false);
    const labelled = { operation, oldObject: buildPolicy(BROKEN) } as const;
    expect(admitPolicy(buildRequest(BROKEN, labelled)).allowed).toBe(true);
    expect(admitPolicy(buildRequest(undefined, { operation: 'DELETE' })).allowed).toBe(true);
  });

  it('returns 400 for another kind', () => {
    const kind = { group: 'valetkey.dev', version: 'v1alpha1', kind: 'Revocation' };
    expect(admitPolicy(buildRequest(SOUND, { kind }))).toMatchObject({
      allowed: false,
      status: {
        code: 400,
        message:
          'expected a TaskPolicy of valetkey.dev/v1alpha1, got valetkey.dev/v1alpha1 Revocation',
      },
    });
  });
});
