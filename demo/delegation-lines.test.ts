import { describe, expect, it } from '@jest/globals';
import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import type { StepReport } from './agent-calls.ts';
import { buildDelegationLines, STEPS } from './delegation-lines.ts';

type Reports = Readonly<Record<string, Partial<StepReport>>>;

const REPORTS: Reports = {
  [STEPS.accept]: { status: 201, expiresAt: 50_000 },
  [STEPS.inside]: { status: 200, requestId: 'read' },
  [STEPS.outside]: {
    ...{ status: 403, code: 'AccessDenied', requestId: 'of-the-gateway' },
    message: 'valetkey: outside what was delegated (resource_outside)',
  },
  [STEPS.end]: { status: 204, endedAt: 1_000 },
  [STEPS.follow]: {
    ...{ status: 403, code: 'InvalidClientTokenId', requestId: 'of-the-gateway' },
    ...{ message: 'valetkey: no such run (run_unknown)', refusedAt: 1_080 },
  },
};

const READ: CloudEvent = {
  ...{ service: 's3', method: 'GET', path: '/acme-data/reports/q3.csv', status: 200 },
  ...{ requestId: 'read', at: 0, sourceIp: '192.0.2.1' },
};

const build = (reports: Reports = {}) => {
  const find = (step: string): StepReport => ({
    ...{ status: 0, milliseconds: 1, ...REPORTS[step], ...reports[step], step },
  });
  return buildDelegationLines({ agent: find, reader: find }, [READ]);
};

describe('buildDelegationLines', () => {
  it('is as expected if a part passed and ended with its parent', () => {
    const [part, end] = build();
    expect([part?.met, end?.met]).toEqual([true, true]);
    expect(end?.got).toMatch(/80 ms after the end of its parent/);
  });

  it.each<[string, Partial<StepReport>]>([
    [
      'a call in flight was cut',
      { code: 'AccessDenied', message: 'valetkey: revoked (run_revoked)' },
    ],
    ['its run was just ending', { code: 'ExpiredToken', message: 'valetkey: ended (run_ended)' }],
  ])('is as expected if %s', (_, report) => {
    expect(build({ [STEPS.follow]: report }).map(({ met }) => met)).toEqual([true, true]);
  });

  it.each<[string, Reports]>([
    ['the handle was refused', { [STEPS.accept]: { status: 403, code: 'delegation_refused' } }],
    ['the cloud did not answer the read', { [STEPS.inside]: { requestId: 'another' } }],
    ['what was not delegated passed', { [STEPS.outside]: { status: 200 } }],
    ['the cloud refused what was not delegated', { [STEPS.outside]: { message: 'Access Denied' } }],
  ])('differs in the part if %s', (_, reports) => {
    expect(build(reports).map(({ met }) => met)).toEqual([false, true]);
  });

  it.each<[string, Reports]>([
    ['its parent did not end', { [STEPS.end]: { status: 404 } }],
    ['it was never refused', { [STEPS.follow]: { status: 200 } }],
    ['it was refused before its parent ended', { [STEPS.follow]: { refusedAt: 900 } }],
    ['it lasted until its own deadline', { [STEPS.follow]: { refusedAt: 50_000 } }],
    [
      'it was refused for another reason',
      { [STEPS.follow]: { message: 'valetkey: outside (resource_outside)' } },
    ],
    ['the cloud refused it', { [STEPS.follow]: { message: 'The token has expired.' } }],
  ])('differs in the end if %s', (_, reports) => {
    expect(build(reports).map(({ met }) => met)).toEqual([true, false]);
  });
});
