import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { listPermissions, type PermissionRequest } from '../../lib/operations/permissions.ts';
import { findRecipe } from '../../lib/operations/recipes/recipes.ts';
import { createRecognizer, type RecognizeOperation } from '../../lib/operations/recognize.ts';
import type { OperationTable } from '../../lib/operations/table.ts';
import { parseRequestTarget } from '../../lib/schema/request-target.ts';
import { buildPython, printBotocoreRequests } from '../clients/client-builds.ts';

/** A request as botocore serializes it. */
type BotocoreRequest = {
  readonly signingName: string;
  readonly service: string;
  readonly operation: string;
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly form: Readonly<Record<string, string>> | null;
  /** Base64. */
  readonly body: string | null;
};

/** What the gateway reads of a request. */
type Outcome = {
  readonly expected: string;
  /** `s3 PutObject`, or the code of a refusal. */
  readonly found: string;
  readonly needs: 'none' | 'wildcard' | 'resolved' | 'unresolved' | 'malformed' | 'unmapped';
};

/** Deprecated names, and one of S3 Express: the same request, so that no server can distinguish them. */
const EQUAL_REQUESTS = new Map([
  ['s3 GetBucketLifecycle', 's3 GetBucketLifecycleConfiguration'],
  ['s3 GetBucketNotification', 's3 GetBucketNotificationConfiguration'],
  ['s3 PutBucketLifecycle', 's3 PutBucketLifecycleConfiguration'],
  ['s3 PutBucketNotification', 's3 PutBucketNotificationConfiguration'],
  ['s3 ListDirectoryBuckets', 's3 ListBuckets'],
]);

type Service = { readonly table: OperationTable; readonly recognize: RecognizeOperation };
const services = new Map<string, Service>();

const getService = (signingName: string): Service => {
  const found = services.get(signingName);
  if (found !== undefined) return found;
  const file = join('lib/operations/data', `${signingName}.json`);
  const table = JSON.parse(readFileSync(file, 'utf8')) as OperationTable;
  const service = { table, recognize: createRecognizer(table) };
  services.set(signingName, service);
  return service;
};

const listNeeds = (table: OperationTable, request: PermissionRequest): Outcome['needs'] => {
  const result = listPermissions(table, request);
  if (!result.ok) return result.code === 'operation_unmapped' ? 'unmapped' : 'malformed';
  const { permissions } = result;
  if (permissions.every(({ resource }) => resource === '*')) return 'wildcard';
  return permissions.every(({ resource }) => resource !== undefined) ? 'resolved' : 'unresolved';
};

const read = ({ signingName, method, target, headers, form, body }: BotocoreRequest) => {
  const parsed = parseRequestTarget(target);
  if (!parsed.ok) return { found: parsed.reason, needs: 'none' } as const;
  const { table, recognize } = getService(signingName);
  const request = {
    method,
    target: parsed.target,
    headers: new Map(Object.entries(headers)),
    ...(form === null ? {} : { form: new Map(Object.entries(form)) }),
  };
  const result = recognize(request);
  if (!result.ok) return { found: result.code, needs: 'none' } as const;
  const { operation } = result;
  const needs = listNeeds(table, {
    ...{ operation, request, partition: 'aws', region: 'eu-central-1', account: '111122223333' },
    ...(body === null ? {} : { body: Buffer.from(body, 'base64') }),
  });
  return { found: `${operation.service} ${operation.name}`, needs };
};

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;

describe('recognition of AWS requests', () => {
  let outcomes: readonly Outcome[] = [];

  beforeAll(async () => {
    const python = await buildPython((line) => process.stdout.write(`${line}\n`));
    const lines = (await printBotocoreRequests(python)).trim().split('\n');
    outcomes = lines.map((line) => {
      const request = JSON.parse(line) as BotocoreRequest;
      const name = `${request.service} ${request.operation}`;
      return { expected: EQUAL_REQUESTS.get(name) ?? name, ...read(request) };
    });
  }, 300_000);

  it('takes no request that botocore writes for another operation', () => {
    const wrong = outcomes.filter(
      ({ expected, found }) => found.includes(' ') && found !== expected,
    );
    expect(wrong).toEqual([]);
  });

  it('recognizes at least 97.5 % of all operations, and refuses the rest as ambiguous', () => {
    const recognized = outcomes.filter(({ expected, found }) => found === expected).length;
    process.stdout.write(
      `recognized: ${recognized} of ${outcomes.length} (${percent(recognized, outcomes.length)})\n`,
    );
    expect(outcomes.length).toBeGreaterThan(20_000);
    expect(recognized / outcomes.length).toBeGreaterThanOrEqual(0.975);
    const refusals = new Set(
      outcomes.filter(({ expected, found }) => found !== expected).map(({ found }) => found),
    );
    expect([...refusals]).toEqual(['operation_ambiguous']);
  });

  it('reads the resource of at least half of the operations that have one', () => {
    const known = outcomes.filter(({ expected, found }) => found === expected);
    const count = (...needs: readonly string[]): number =>
      known.filter((outcome) => needs.includes(outcome.needs)).length;
    // A recipe by hand reads a name, and the samples are none.
    const [resolved, unresolved] = [count('resolved', 'malformed'), count('unresolved')];
    process.stdout.write(
      `resources: ${resolved} resolved (${percent(resolved, resolved + unresolved)}), ${unresolved} unresolved, ${count('wildcard')} operations without resources, ${count('unmapped')} without known action\n`,
    );
    expect(resolved / (resolved + unresolved)).toBeGreaterThanOrEqual(0.5);
  });

  it('refuses no request of botocore, but for recipes by hand, of which the samples are no names', () => {
    const malformed = outcomes.filter(({ needs }) => needs === 'malformed');
    const byTemplate = malformed.filter(({ found }) => {
      const [service = '', name = ''] = found.split(' ');
      return findRecipe(service, name) === undefined;
    });
    expect(byTemplate.map(({ found }) => found)).toEqual([]);
  });
});
