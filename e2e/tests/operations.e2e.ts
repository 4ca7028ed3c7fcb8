import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
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
};

/** Deprecated names, and one of S3 Express: the same request, so that no server can distinguish them. */
const EQUAL_REQUESTS = new Map([
  ['s3 GetBucketLifecycle', 's3 GetBucketLifecycleConfiguration'],
  ['s3 GetBucketNotification', 's3 GetBucketNotificationConfiguration'],
  ['s3 PutBucketLifecycle', 's3 PutBucketLifecycleConfiguration'],
  ['s3 PutBucketNotification', 's3 PutBucketNotificationConfiguration'],
  ['s3 ListDirectoryBuckets', 's3 ListBuckets'],
]);

const recognizers = new Map<string, RecognizeOperation>();

const getRecognizer = (signingName: string): RecognizeOperation => {
  const file = join('lib/operations/data', `${signingName}.json`);
  const recognizer =
    recognizers.get(signingName) ??
    createRecognizer(JSON.parse(readFileSync(file, 'utf8')) as OperationTable);
  recognizers.set(signingName, recognizer);
  return recognizer;
};

/** @returns `s3 PutObject`, or the code of a refusal */
const recognize = ({ signingName, method, target, headers, form }: BotocoreRequest): string => {
  const parsed = parseRequestTarget(target);
  if (!parsed.ok) return parsed.reason;
  const result = getRecognizer(signingName)({
    method,
    target: parsed.target,
    headers: new Map(Object.entries(headers)),
    ...(form === null ? {} : { form: new Map(Object.entries(form)) }),
  });
  return result.ok ? `${result.operation.service} ${result.operation.name}` : result.code;
};

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;

describe('recognition of AWS requests', () => {
  let outcomes: readonly { readonly expected: string; readonly found: string }[] = [];

  beforeAll(async () => {
    const python = await buildPython((line) => process.stdout.write(`${line}\n`));
    const lines = (await printBotocoreRequests(python)).trim().split('\n');
    outcomes = lines.map((line) => {
      const request = JSON.parse(line) as BotocoreRequest;
      const name = `${request.service} ${request.operation}`;
      return { expected: EQUAL_REQUESTS.get(name) ?? name, found: recognize(request) };
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
});
