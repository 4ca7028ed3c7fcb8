import { describe, expect, it } from '@jest/globals';
import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import { buildAgentLines } from './agent-lines.ts';
import type { StepReport } from './agent-calls.ts';
import { buildNoExceptionLine } from './helper-lines.ts';
import { describeCloudOutcome, describeGatewayOutcome } from './outcomes.ts';
import { buildUploadLine, UPLOAD } from './upload-line.ts';

const event = (given: Partial<CloudEvent>): CloudEvent => ({
  ...{ service: 's3', method: 'GET', path: '/acme-data/reports/q3.csv', status: 200 },
  ...{ requestId: 'of-the-cloud', at: 0, sourceIp: '192.0.2.1' },
  ...given,
});
const report = (given: Partial<StepReport>): StepReport => ({
  ...{ step: 'read acme-data/reports/q3.csv', status: 200, milliseconds: 1 },
  ...given,
});
const refusal = {
  status: 403,
  code: 'AccessDenied',
  message: 'valetkey: s3:PutObject on arn:aws:s3:::a/b is outside task summarize (action_outside)',
  requestId: 'of-the-gateway',
};

describe('who answered a step', () => {
  it('is the cloud only if its log has the same response to the same request', () => {
    const answered = report({ requestId: 'of-the-cloud' });
    expect(describeCloudOutcome(answered, [event({})])).toBe('200 by the cloud');
    expect(describeCloudOutcome(answered, [])).toBe('200, not by the cloud');
    const denied = event({ status: 403, code: 'AccessDenied' });
    expect(describeCloudOutcome(answered, [denied])).toBe('200, not by the cloud');
  });

  it('is the gateway only if it says so and the cloud did not answer', () => {
    const refused = report(refusal);
    expect(describeGatewayOutcome(refused, [event({})])).toBe('403 AccessDenied by the gateway');
    expect(describeGatewayOutcome({ ...refused, message: 'Access Denied' }, [])).toBe(
      '403 AccessDenied, not by the gateway',
    );
    const passed = event({ requestId: 'of-the-gateway' });
    expect(describeGatewayOutcome(refused, [passed])).toBe(
      '403 AccessDenied, and the cloud answered',
    );
  });

  it('is not the gateway alone if the cloud received any request for a refused object', () => {
    const find = (step: string): StepReport => report({ ...refusal, step });
    const forwarded = event({ path: '/acme-data/secrets/keys.txt', requestId: 'another' });
    const lines = buildAgentLines({ agent: find, helper: find }, [forwarded]);
    expect(lines.find(({ name }) => name === 'write')).toMatchObject({ met: true });
    expect(lines.find(({ name }) => name === 'other prefix')).toMatchObject({ met: false });
  });
});

describe('the line of an upload that was cut', () => {
  const cut = report({ ...refusal, step: UPLOAD.step, refusedAt: 1_250 });

  it('states the time after the Revocation', () => {
    const line = buildUploadLine(cut, { code: 0, revokedAt: 1_000 }, []);
    expect(line).toMatchObject({ met: true, milliseconds: 250 });
    expect(line.got).toMatch(/250 ms after the Revocation/);
  });

  it.each([
    ['the upload ended before it', { code: 0, revokedAt: 2_000 }, []],
    ['there was none', { code: 0, revokedAt: Infinity }, []],
    ['the command failed', { code: 1, revokedAt: 1_000 }, []],
    ['the cloud stored it', { code: 0, revokedAt: 1_000 }, [event({ path: UPLOAD.path })]],
  ])('is not met if %s', (_, revocation, events) => {
    expect(buildUploadLine(cut, revocation, events).met).toBe(false);
  });
});

describe('the line of a vend task without exception', () => {
  const answer = { patched: {}, operations: 0 };

  it('is met only if the pod was refused because no exception permits vend', () => {
    const message =
      'no policy permits it with delivery: vend, for which only permits with a current @until and a @reason count; use delivery: sign';
    expect(buildNoExceptionLine({ ...answer, allowed: false, message }, 1).met).toBe(true);
    expect(buildNoExceptionLine({ ...answer, allowed: true, message }, 1).met).toBe(false);
    expect(buildNoExceptionLine({ ...answer, allowed: false, message: 'rule 4' }, 1).met).toBe(
      false,
    );
  });
});
