import { describe, expect, it } from '@jest/globals';

import { createReadiness } from './readiness.ts';

const createTestReadiness = () => {
  const time = { now: 1_000 };
  const readiness = createReadiness(['audit', 'policies'], { now: () => time.now });
  return { readiness, time };
};

describe('createReadiness', () => {
  it('reports every condition as not met until the checks are set', () => {
    const { readiness } = createTestReadiness();
    expect(readiness.unready()).toEqual(['certificate', 'audit', 'policies']);
  });

  it('is ready when the certificate is trusted and every check passes', () => {
    const { readiness } = createTestReadiness();
    readiness.setCertificate({ isTrusted: true, notAfter: 2_000 });
    readiness.setChecks({ audit: () => true, policies: () => false });
    expect(readiness.unready()).toEqual(['policies']);
    readiness.setChecks({ audit: () => true, policies: () => true });
    expect(readiness.unready()).toEqual([]);
  });

  it('is not ready with a certificate that is not trusted, or has expired', () => {
    const { readiness, time } = createTestReadiness();
    readiness.setChecks({ audit: () => true, policies: () => true });
    readiness.setCertificate({ isTrusted: false, notAfter: 2_000 });
    expect(readiness.unready()).toEqual(['certificate']);
    readiness.setCertificate({ isTrusted: true, notAfter: 2_000 });
    time.now = 2_000;
    expect(readiness.unready()).toEqual(['certificate']);
  });

  it('stays unready after a shutdown began', () => {
    const { readiness } = createTestReadiness();
    readiness.setChecks({ audit: () => true, policies: () => true });
    readiness.setCertificate({ isTrusted: true, notAfter: 2_000 });
    readiness.drain();
    expect(readiness.unready()).toEqual(['draining']);
  });
});
