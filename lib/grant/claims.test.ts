import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import {
  buildGrantClaims,
  buildAuthorityClaims,
  type GrantedRun,
  type GrantSettings,
} from './claims.ts';
import { buildSourceIdentity } from './source-identity.ts';

const now = Date.parse('2030-01-01T00:00:00.700Z');
const settings: GrantSettings = {
  issuer: 'https://issuer.example/valetkey',
  trustDomain: 'example.org',
  cloudAudience: 'sts.amazonaws.com',
  tagParams: ['customer'],
};
const run: GrantedRun = {
  namespace: 'research',
  serviceAccount: 'agent',
  task: 'summarize',
  run: 'abcdefgh234567',
  params: { customer: 'acme', other: 'x' },
};

describe('buildGrantClaims and buildAuthorityClaims', () => {
  it('build a JWT-SVID with tags and source identity, valid 30 s before and after now', () => {
    expect(buildGrantClaims(run, settings, now)).toEqual({
      iss: 'https://issuer.example/valetkey',
      sub: 'spiffe://example.org/ns/research/sa/agent/task/summarize',
      aud: 'sts.amazonaws.com',
      iat: 1893455970,
      exp: 1893456030,
      jti: 'abcdefgh234567',
      'https://aws.amazon.com/tags': {
        principal_tags: {
          'valetkey-namespace': ['research'],
          'valetkey-service-account': ['agent'],
          'valetkey-task': ['summarize'],
          'valetkey-run': ['abcdefgh234567'],
          'valetkey-param-customer': ['acme'],
        },
        transitive_tag_keys: [
          'valetkey-namespace',
          'valetkey-service-account',
          'valetkey-task',
          'valetkey-run',
          'valetkey-param-customer',
        ],
      },
      'https://aws.amazon.com/source_identity': 'workload=research.agent',
    });
  });

  it('build claims of the authority without run and tags', () => {
    expect(buildAuthorityClaims({ id: 'revoker-1', now }, settings)).toEqual({
      iss: 'https://issuer.example/valetkey',
      sub: 'spiffe://example.org/authority',
      aud: 'sts.amazonaws.com',
      iat: 1893455970,
      exp: 1893456030,
      jti: 'revoker-1',
    });
  });

  it('refuse a subject that is too long for IAM', () => {
    const fixed = 'spiffe://example.org/ns/research/sa//task/summarize'.length;
    const named = (length: number) => ({ ...run, serviceAccount: 's'.repeat(length) });
    expect(buildGrantClaims(named(255 - fixed), settings, now).sub).toHaveLength(255);
    expect(() => buildGrantClaims(named(256 - fixed), settings, now)).toThrow(
      expect.objectContaining({ kind: 'refused', code: 'subject_too_long' }),
    );
  });

  it.each([
    ['a;b', 'a character that tags cannot hold'],
    ['x'.repeat(257), 'more than 256 characters'],
  ])('are refused when a param that becomes a tag is %j (%s)', (customer) => {
    expect(() => buildGrantClaims({ ...run, params: { customer } }, settings, now)).toThrow(
      expect.objectContaining({ kind: 'refused', code: 'param_untaggable' }),
    );
  });

  it('never change a param value: it becomes a tag or is refused', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300, unit: 'binary-ascii' }), (customer) => {
        try {
          const claims = buildGrantClaims({ ...run, params: { customer } }, settings, now);
          const tag =
            claims['https://aws.amazon.com/tags']?.principal_tags['valetkey-param-customer'];
          expect(tag).toEqual([customer]);
          expect(customer).toMatch(/^[A-Za-z0-9 _.:/=+\-@]{0,256}$/);
        } catch (thrown) {
          if ((thrown as { code?: string }).code !== 'param_untaggable') throw thrown;
          expect(customer).not.toMatch(/^[A-Za-z0-9 _.:/=+\-@]{0,256}$/);
        }
      }),
    );
  });
});

describe('buildSourceIdentity', () => {
  const text = fc.string({ maxLength: 300, unit: 'grapheme' });
  const user = fc.record({ issuer: text, subject: text });
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
  const account = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
  const acting = fc.record(
    { namespace: label, serviceAccount: account, user },
    { requiredKeys: ['namespace', 'serviceAccount'] },
  );

  it('always returns a value that STS accepts', () => {
    fc.assert(
      fc.property(acting, (who) => {
        expect(buildSourceIdentity(who)).toMatch(/^[\w+=,.@-]{2,64}$/);
      }),
    );
  });

  it('returns different values for different workloads and users', () => {
    fc.assert(
      fc.property(acting, acting, (one, other) => {
        const of = ({ namespace, serviceAccount, user: human }: typeof one) =>
          JSON.stringify(human ?? [namespace, serviceAccount]);
        fc.pre(of(one) !== of(other));
        expect(buildSourceIdentity(one)).not.toBe(buildSourceIdentity(other));
      }),
    );
  });

  it('names the user, bound to the issuer, if there is one', () => {
    const alice = { issuer: 'https://login.example', subject: 'alice@example.com' };
    const named = buildSourceIdentity({ ...run, user: alice });
    expect(named).toMatch(/^user=alice@example\.com,[0-9a-f]{12}$/);
    expect(buildSourceIdentity({ ...run, user: { ...alice, issuer: 'https://other' } })).not.toBe(
      named,
    );
  });
});
