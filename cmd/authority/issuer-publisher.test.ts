import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

import type { IssuerDocument } from '../../lib/grant/issuer-documents.ts';
import {
  startIssuerPublisher,
  parsePublicCopy,
  type IssuerPublisherDeps,
} from './issuer-publisher.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const buildJwksText = (...kids: string[]): string =>
  JSON.stringify({ keys: kids.map((kid) => ({ kid })) });
const buildDocuments = (...kids: string[]): readonly IssuerDocument[] => [
  { path: 'jwks', body: buildJwksText(...kids) },
  { path: '.well-known/openid-configuration', body: '{"issuer":"https://issuer.example"}' },
];

const startTestPublisher = (edges: Partial<IssuerPublisherDeps> = {}) => {
  const bucket = { text: buildJwksText() };
  const ours = { documents: buildDocuments('one', 'two') as readonly IssuerDocument[] | undefined };
  const failures: string[] = [];
  let published = 0;
  const publishing = startIssuerPublisher({
    documents: () => ours.documents,
    publish: (given) => {
      bucket.text = given[0]?.body ?? '';
      return Promise.resolve();
    },
    fetchPublic: () => Promise.resolve({ text: bucket.text, cacheControl: 'max-age=600' }),
    random: () => 0.5,
    onFailure: (message) => failures.push(message),
    onPublished: () => (published += 1),
    ...edges,
  });
  started.push(publishing);
  return { publishing, bucket, ours, failures, published: () => published };
};
const started: { readonly stop: () => void }[] = [];
afterEach(() => started.splice(0).forEach((publishing) => publishing.stop()));

const advanceTime = (ms: number) => jest.advanceTimersByTimeAsync(ms);

describe("the issuer's documents", () => {
  test('are written at the start, when they change, and not otherwise', async () => {
    const { publishing, ours, bucket, published } = startTestPublisher();
    await advanceTime(0);
    await advanceTime(300_000);
    expect(published()).toBe(1);
    ours.documents = buildDocuments('two', 'three');
    publishing.wake();
    await advanceTime(0);
    expect(bucket.text).toBe(buildJwksText('two', 'three'));
    expect(published()).toBe(2);
  });

  test('that somebody overwrote, in keys or in their order, are written again', async () => {
    const { bucket, published } = startTestPublisher();
    await advanceTime(0);
    bucket.text = buildJwksText('two', 'one');
    await advanceTime(61_000);
    expect(bucket.text).toBe(buildJwksText('one', 'two'));
    expect(published()).toBe(2);
  });

  test('are left alone while our own keys are not known', async () => {
    const { bucket, published } = startTestPublisher({ documents: () => undefined });
    bucket.text = 'anything';
    await advanceTime(61_000);
    expect([published(), bucket.text]).toEqual([0, 'anything']);
  });

  test('that could not be written are tried again', async () => {
    let tries = 0;
    const { failures } = startTestPublisher({
      publish: () => {
        tries += 1;
        return Promise.reject(new Error('AccessDenied'));
      },
    });
    await advanceTime(3_500);
    expect(tries).toBe(3);
    expect(failures[0]).toBe("the issuer's documents are not published");
  });
});

describe('what is public', () => {
  test('is what stands there, and for how long others hold it', async () => {
    const { publishing, bucket } = startTestPublisher();
    bucket.text = buildJwksText('one', 'two');
    expect(await publishing.fetchPublicCopy()).toEqual({ kids: ['one', 'two'], maxAgeMs: 600_000 });
  });

  test('is unknown where it cannot be read, and nothing is written for that', async () => {
    const { publishing, failures, published } = startTestPublisher({
      fetchPublic: () => Promise.reject(new Error('no answer')),
    });
    await advanceTime(61_000);
    expect(await publishing.fetchPublicCopy()).toBeUndefined();
    expect(failures).toContain('the public keys of the issuer cannot be read');
    expect(published()).toBe(1);
  });

  test('is read also where a person publishes', async () => {
    const fetchPublic = () =>
      Promise.resolve({ text: buildJwksText('one'), cacheControl: undefined });
    const publishing = startIssuerPublisher({
      documents: () => buildDocuments('one'),
      fetchPublic,
      random: () => 0.5,
      onFailure: () => undefined,
      onPublished: () => undefined,
    });
    expect((await publishing.fetchPublicCopy())?.kids).toEqual(['one']);
    expect(jest.getTimerCount()).toBe(0);
  });

  const ages: [string | undefined, number][] = [
    ['public, max-age=900', 900],
    ['Max-Age="1200", public', 1200],
    ['s-maxage=5, no-transform', 3600],
    [undefined, 3600],
    ['max-age=0', 300],
    ['no-store', 3600],
  ];
  test.each(ages)('under %s may be held for %i s', (cacheControl, seconds) => {
    expect(parsePublicCopy({ text: buildJwksText('a'), cacheControl }).maxAgeMs).toBe(
      seconds * 1000,
    );
  });

  test.each(['', 'no', 'null', '{}', '{"keys":7}', '{"keys":[{"kid":7}]}', '{"keys":[null]}'])(
    'is no JWKS: %j',
    (text) => {
      expect(() => parsePublicCopy({ text, cacheControl: undefined })).toThrow('expected a JWKS');
    },
  );
});
