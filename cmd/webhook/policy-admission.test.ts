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

  const REASON = '@reason("a client that cannot sign")';
  const annotate = (text: string, effect = 'permit'): string =>
    `${text}\n${effect} (principal, action, resource);`;
  it.each([
    ['more than 90 days ahead', annotate(`@until("2027-02-27")${REASON}`), '2027-02-26'],
    ['that is no day', annotate(`@until("2027-02-30")${REASON}`), 'a day such as 2027-01-31'],
    ['with a time', annotate(`@until("2027-01-31T00:00:00Z")${REASON}`), 'a day such as'],
    ['without a text', annotate(`@until${REASON}`), 'a day such as'],
    ['on a forbid', annotate(`@until("2027-01-31")${REASON}`, 'forbid'), 'a forbid without @until'],
    ['without @reason', annotate('@until("2027-01-31")'), 'beside @until, got no @reason'],
    ['with an empty @reason', annotate('@until("2027-01-31")@reason("")'), '1 to 256'],
    ['with a blank @reason', annotate('@until("2027-01-31")@reason("  ")'), '1 to 256'],
    ['with a long @reason', annotate(`@until("2027-01-31")@reason("${'x'.repeat(257)}")`), '256'],
    ['with a @reason of two lines', annotate('@until("2027-01-31")@reason("a\\nb")'), 'printable'],
  ])('refuses @until %s', (_, cedar, text) => {
    const { allowed, status } = admitPolicy(buildRequest(cedar));
    expect(allowed).toBe(false);
    expect(status?.message).toContain(text);
  });

  it('refuses @reason without @until', () => {
    const { status } = admitPolicy(buildRequest(annotate(REASON)));
    expect(status?.message).toContain('beside @reason, got no @until');
  });

  it('refuses all faults of all policies at once, each with its line', () => {
    const { status } = admitPolicy(
      buildRequest(
        [
          annotate('@until("2030-01-01")@reason("")'),
          annotate('@until("soon")'),
          annotate('@until("2027-01-31")', 'forbid'),
          'permit (principal, action, resource) when { context.lifetime < 5 };',
        ].join('\n'),
      ),
    );
    const lines = [...(status?.message ?? '').matchAll(/line (\d), column \d+: expected/g)];
    expect(lines.map(([, line]) => Number(line))).toEqual([1, 1, 3, 3, 5, 7]);
  });

  it.each([
    ['the last day that is allowed', annotate(`@until("2027-02-26")${REASON}`)],
    ['a forbid with only a @reason', annotate(REASON, 'forbid')],
    ['a @reason in another script', annotate('@until("2027-01-31")@reason("für Käufer")')],
    ['what looks like an annotation inside another', annotate('@id("a")@note("@until(x)")')],
  ])('admits %s without a warning', (_, cedar) => {
    const { allowed, warnings = [] } = admitPolicy(buildRequest(cedar));
    expect([allowed, warnings]).toEqual([true, []]);
  });

  it('warns if an exception has ended, so that an unchanged folder can be applied again', () => {
    const outcome = admitPolicy(buildRequest(annotate(`@until("2026-11-27")${REASON}`)));
    expect(outcome).toMatchObject({
      allowed: true,
      warnings: [
        'team/0: @until("2026-11-27") is in the past, so the permit does not count for delivery: vend',
      ],
    });
  });

  it('warns that @until limits nothing while policy.vend is free', () => {
    const request = buildRequest(annotate(`@until("2027-01-31")${REASON}`));
    expect(admitPolicy(request, 'free').warnings).toEqual([
      'team/0: @until("2027-01-31") limits nothing while policy.vend is free',
    ]);
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
