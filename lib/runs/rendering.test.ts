import { describe, expect, test } from '@jest/globals';

import { formatCredentials, renderStartedRun } from './rendering.ts';

const keys = { accessKeyId: 'ASIA1', secretAccessKey: 's"1', sessionToken: 't/1' };
const expiresAt = Date.parse('2026-01-01T00:09:50.500Z');
const role = 'arn:aws:iam::111122223333:role/x';

describe('formatCredentials', () => {
  test('returns the format of the AWS container credentials provider', () => {
    expect(JSON.parse(formatCredentials({ keys, expiresAt, role }).toString())).toEqual({
      AccessKeyId: 'ASIA1',
      SecretAccessKey: 's"1',
      Token: 't/1',
      Expiration: '2026-01-01T00:09:50.500Z',
      AccountId: '111122223333',
    });
  });

  test('omits AccountId if the role ARN has no account', () => {
    const rendered = formatCredentials({ keys, expiresAt, role: 'arn:aws:iam:::role/x' });
    expect(JSON.parse(rendered.toString())).not.toHaveProperty('AccountId');
  });

  test('returns credentials that renderStartedRun embeds unchanged', () => {
    const credentials = formatCredentials({ keys, expiresAt, role });
    const started = renderStartedRun({ run: 'r1', task: 'summarize', expiresAt, credentials });
    expect(JSON.parse(started.toString())).toEqual({
      run: 'r1',
      task: 'summarize',
      expiresAt: '2026-01-01T00:09:50.500Z',
      credentials: JSON.parse(credentials.toString()) as unknown,
    });
  });
});
