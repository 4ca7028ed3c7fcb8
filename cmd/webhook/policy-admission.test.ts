import { describe, expect, test } from '@jest/globals';

import type { AdmissionRequest } from '../../lib/admission/review.ts';
import { admitPolicy } from './policy-admission.ts';

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

describe('a TaskPolicy that is applied', () => {
  test('is welcome when it is valid', () => {
    expect(admitPolicy(buildRequest(SOUND))).toMatchObject({ allowed: true });
  });

  test('is refused with the line of each fault, and its name', () => {
    const { allowed, status, auditAnnotations } = admitPolicy(buildRequest(BROKEN));
    expect(allowed).toBe(false);
    expect(status?.message).toMatch(/TaskPolicy team line 2/);
    expect(auditAnnotations).toEqual({ refused: 'policy' });
  });

  test('is refused where a wider pattern would escape it', () => {
    const escaping = `forbid (principal, action == Action::"run", resource)
when { context.resource like "arn:aws:s3:::acme/secret/*" };`;
    const { status } = admitPolicy(buildRequest(escaping));
    expect(status?.message).toMatch(/line 2/);
  });

  test.each([[undefined], [7], [{}]])('is refused where its text is %p', (cedar) => {
    expect(admitPolicy(buildRequest(cedar)).allowed).toBe(false);
  });

  test('is judged again when its text changes, and not while it only is labelled or let go of', () => {
    const operation = 'UPDATE';
    const changed = { operation, oldObject: buildPolicy(SOUND) } as const;
    expect(admitPolicy(buildRequest(BROKEN, changed)).allowed).toBe(false);
    const labelled = { operation, oldObject: buildPolicy(BROKEN) } as const;
    expect(admitPolicy(buildRequest(BROKEN, labelled)).allowed).toBe(true);
    expect(admitPolicy(buildRequest(undefined, { operation: 'DELETE' })).allowed).toBe(true);
  });

  test('is no resource of another kind', () => {
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
