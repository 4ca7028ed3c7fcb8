import { describe, expect, it } from '@jest/globals';

import { AuditError } from '../audit/audit-event.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { IDENTITY_REFUSALS } from '../identity/identity-refusals.ts';
import { IdentityError } from '../identity/workload.ts';
import { RequestError, renderRefusal, toRefusal } from './token-refusal.ts';
import { REFUSALS } from './refusal-table.ts';

const summarizeRefusal = (error: unknown) => {
  const refusal = toRefusal(error);
  return refusal && [refusal.code, refusal.row.error, refusal.row.status, refusal.retryAfterMs];
};

describe('REFUSALS', () => {
  it('contains every identity code with a status', () => {
    expect(Object.keys(REFUSALS)).toEqual(expect.arrayContaining(Object.keys(IDENTITY_REFUSALS)));
  });

  it('has a description and a remedy in sentences for each code', () => {
    for (const [code, { description, remedy: todo }] of Object.entries(REFUSALS)) {
      expect(`${code}: ${description}`).toMatch(/: [A-Z`].*[.]$/);
      expect(`${code}: ${todo}`).toMatch(/: [A-Z`].*[.]$/);
    }
  });

  const errors: [unknown, readonly unknown[]][] = [
    [
      new RequestError('policy_denied', 'no', { policies: ['a/0'] }),
      ['policy_denied', 'access_denied', 403, undefined],
    ],
    [
      new RequestError('rate_limited_pod', 'no', { retryAfterMs: 700 }),
      ['rate_limited_pod', 'slow_down', 429, 700],
    ],
    [
      new IdentityError('refused', 'token_expired', 'no'),
      ['token_expired', 'invalid_grant', 400, undefined],
    ],
    [
      new IdentityError('refused', 'token_key_unknown', 'no'),
      ['token_key_unknown', 'invalid_grant', 400, undefined],
    ],
    [
      new IdentityError('refused', 'user_token_replayed', 'no'),
      ['user_token_replayed', 'invalid_grant', 400, undefined],
    ],
    [
      new IdentityError('refused', 'pod_terminating', 'no'),
      ['pod_terminating', 'access_denied', 403, undefined],
    ],
    [
      new IdentityError('unavailable', 'kubernetes_unavailable', 'no'),
      ['kubernetes_unavailable', 'temporarily_unavailable', 503, 1_000],
    ],
    [
      new IdentityError('unavailable', 'pod_address_unknown', 'no'),
      ['pod_address_unknown', 'temporarily_unavailable', 503, 1_000],
    ],
    [
      new ExchangeError('refused', 'PackedPolicyTooLarge', 'no'),
      ['PackedPolicyTooLarge', 'access_denied', 403, undefined],
    ],
    [
      new ExchangeError('refused', 'ValidationErrorException', 'no'),
      ['ValidationError', 'access_denied', 403, undefined],
    ],
    [
      new ExchangeError('refused', 'Unlisted', 'no'),
      ['cloud_refused', 'access_denied', 403, undefined],
    ],
    [
      new ExchangeError('refused', 'constructor', 'no'),
      ['cloud_refused', 'access_denied', 403, undefined],
    ],
    [
      new ExchangeError('refused', 'policy_denied', 'no'),
      ['cloud_refused', 'access_denied', 403, undefined],
    ],
    [
      new ExchangeError('unavailable', 'Throttling', 'no', { retryAfterMs: 2_000 }),
      ['cloud_unavailable', 'temporarily_unavailable', 503, 2_000],
    ],
    [
      new ExchangeError('unavailable', 'signing_keys_stale', 'no'),
      ['signing_keys_stale', 'temporarily_unavailable', 503, 1_000],
    ],
    [
      new AuditError('disk_full', 'no space left on /var/audit'),
      ['audit_unavailable', 'temporarily_unavailable', 503, 1_000],
    ],
  ];
  it.each(errors)('converts %s to the refusal of its row', (error, outline) => {
    expect(summarizeRefusal(error)).toEqual(outline);
  });

  it('has no refusal for an internal error', () => {
    expect(toRefusal(new TypeError('x is not a function'))).toBeUndefined();
  });

  it('escapes invisible characters of a message and keeps its line breaks', () => {
    const refusal = toRefusal(new RequestError('revoked', 'Revocation a: \u001b[2Jx\u202ey\nb'));
    expect(refusal?.message).toBe('Revocation a: \\u{1b}[2Jx\\u{202e}y\nb');
  });

  it('truncates a message to the length that the sidecar reads', () => {
    const refusal = toRefusal(new RequestError('policy_denied', 'x'.repeat(9_000)));
    if (refusal === undefined) throw new Error('no refusal');
    expect(renderRefusal(refusal).error_description.length).toBeLessThanOrEqual(4_001);
  });
});
