import { describe, expect, test } from '@jest/globals';

import { renderCredentials, renderStartedRun } from './rendering.ts';

const keys = { accessKeyId: 'ASIA1', secretAccessKey: 's"1', sessionToken: 't/1' };
const expiresAt = Date.parse('2026-01-01T00:09:50.500Z');
const role = 'arn:aws:iam::111122223333:role/x';

describe('rendered credentials', () => {
  test('have the shape of the AWS container provider', () => {
    expect(JSON.parse(renderCredentials({ keys, expiresAt, role }).toString())).toEqual({
      AccessKeyId: 'ASIA1',
      SecretAccessKey: 's"1',
      Token: 't/1',
      Expiration: '2026-01-01T00:09:50.500Z',
      AccountId: '111122223333',
    });
  });

  test('of a private cloud have no account where the role has none', () => {
    const rendered = renderCredentials({ keys, expiresAt, role: 'arn:aws:iam:::role/x' });
    expect(JSON.parse(rendered.toString())).not.toHaveProperty('AccountId');
  });

  test('stand whole in the answer to a started run', () => {
    const credentials = renderCredentials({ keys, expiresAt, role });
    const started = renderStartedRun({ run: 'r1', task: 'summarize', expiresAt, credentials });
    expect(JSON.parse(started.toString())).toEqual({
      run: 'r1',
      task: 'summarize',
      expiresAt: '2026-01-01T00:09:50.500Z',
      credentials: JSON.parse(credentials.toString()) as unknown,
    });
  });
});
