import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLOUD_CASES, runCloudCases, type CaseResult } from './cloud-cases.ts';
import { startEmbeddedCaseCloud } from './embedded-case-cloud.ts';

let results: ReadonlyMap<string, CaseResult>;
let close: () => Promise<void>;

beforeAll(async () => {
  const started = await startEmbeddedCaseCloud();
  close = started.close;
  const list = await runCloudCases(started.cloud);
  results = new Map(list.map((result) => [result.name, result]));
}, 30_000);

afterAll(() => close());

describe('the responses of the embedded cloud', () => {
  it.each(CLOUD_CASES)('$name', ({ name }) => {
    expect(results.get(name)).toMatchObject({ passed: true });
  });

  it('exist for every case, because names are unique', () => {
    expect(results.size).toBe(CLOUD_CASES.length);
  });
});
