import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { listReachedActions } from './reached-actions.ts';
import type { OperationTable } from './table.ts';

const readTable = (signingName: string): OperationTable =>
  JSON.parse(
    readFileSync(new URL(`data/${signingName}.json`, import.meta.url), 'utf8'),
  ) as OperationTable;

const reached = listReachedActions(
  ['s3', 'dynamodb', 'lambda', 'monitoring', 'apigateway'].map(readTable),
);

describe('listReachedActions', () => {
  it.each([
    ['an operation of the same name', 's3:getbucketlocation'],
    ['an operation of another name', 's3:listbucket'],
    ['a request that names a version', 's3:getobjectversion'],
    ['each key of DeleteObjects', 's3:deleteobjectversion'],
    ['a header of a request to an object', 's3:bypassgovernanceretention'],
    ['a header of a request to a bucket', 's3:putbucketacl'],
    ['an operation whose prefix is not its signing name', 'cloudwatch:putmetricdata'],
    ['an operation of a service with its own table of actions', 'lambda:invokefunction'],
    ['an operation that has no REST path', 'dynamodb:putitem'],
    ['a service whose actions are methods', 'apigateway:patch'],
  ])('contains the action of %s', (_, action) => {
    expect(reached).toContain(action);
  });

  it.each([
    ['only services perform', 's3:replicateobject'],
    ['the gateway does not serve', 's3:createsession'],
    ['belongs to a table that was not given', 'sqs:sendmessage'],
  ])('does not contain an action that %s', (_, action) => {
    expect(reached).not.toContain(action);
  });
});
