import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { IssuerDocument } from '../../lib/grant/issuer-documents.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';
import {
  createPublishedKeysReader,
  createReadFailureReporter,
  startIssuerPublisher,
  parsePublicCopy,
  type IssuerPublisherDeps,
  type PublicResponse,
} from './issuer-publisher.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const buildJwksText = (...kids: string[]): string =>
  JSON.stringify({ keys: kids.map((kid) => ({ kid })) });
const buildDocuments = (...kids: string[]): readonly IssuerDocument[] => [
  { path: 'jwks', body: buildJwksText(...kids) },
  { path: '.well-known/openid-configuration', body: '{"issuer":"https://issuer.example"}' },
];

type TestPublisherDeps = Partial<IssuerPublisherDeps> & {
  readonly fetchPublic?: () => Promise<PublicResponse>;
};

const startTestPublisher = ({ fetchPublic, ...deps }: TestPublisherDeps = {}) => {
  const bucket = { text: buildJwksText() };
  const ours = { documents: buildDocuments('one', 'two') as readonly IssuerDocument[] | undefined };
  const failures: string[] = [];
  let published = 0;
  const readBucket = () => Promise.resolve({ text: bucket.text, cacheControl: 'max-age=600' });
  const onFailure = (message: string) => void failures.push(message);
  const fetchPublishedKeys = createPublishedKeysReader(fetchPublic ?? readBucket, onFailure);
  const publisher = startIssuerPublisher({
    documents: () => ours.documents,
    publish: (given) => {
      bucket.text = given[0]?.body ?? '';
      return Promise.resolve();
    },
    fetchPublishedKeys,
    random: () => 0.5,
    onFailure,
    onPublished: () => (published += 1),
    ...deps,
  });
  started.push(publisher);
  return {
    publisher,
    fetchPublishedKeys,
    bucket,
    ours,
    failures,
    published: () => published,
  };
};
const started: { readonly stop: () => void }[] = [];
afterEach(() => started.splice(0).forEach((publisher) => publisher.stop()));

const advanceTime = (ms: number) => jest.advanceTimersByTimeAsync(ms);

describe('startIssuerPublisher', () => {
  it('publishes the documents at the start and when they change, and not otherwise', async () => {
    const { publisher, ours, bucket, published } = startTestPublisher();
    await advanceTime(0);
    await advanceTime(300_000);
    expect(published()).toBe(1);
    ours.documents = buildDocuments('two', 'three');
    publisher.wake();
    await advanceTime(0);
    expect(bucket.text).toBe(buildJwksText('two', 'three'));
    expect(published()).toBe(2);
  });

  it('publishes the documents again if the public copy has other keys or another order', async () => {
    const { bucket, published } = startTestPublisher();
    await advanceTime(0);
    bucket.text = buildJwksText('two', 'one');
    await advanceTime(61_000);
    expect(bucket.text).toBe(buildJwksText('one', 'two'));
    expect(published()).toBe(2);
  });

  it('publishes nothing while the signing keys are not loaded', async () => {
    const { bucket, published } = startTestPublisher({ documents: () => undefined });
    bucket.text = 'anything';
    await advanceTime(61_000);
    expect([published(), bucket.text]).toEqual([0, 'anything']);
  });

  it('retries a publication that failed', async () => {
    let tries = 0;
    const { failures } = startTestPublisher({
      publish: () => {
        tries += 1;
        return Promise.reject(new Error('AccessDenied'));
      },
    });
    await advanceTime(3_500);
    expect(tries).toBe(3);
    expect(failures[0]).toBe('issuer documents not published');
  });
});

describe('createReadFailureReporter', () => {
  const place = { url: 'https://i.example/jwks', namespace: 'valetkey', podName: 'authority-0' };

  it('logs the failure, and writes its cause to an Event of the replica', () => {
    const events: object[] = [];
    const failures: string[] = [];
    const report = createReadFailureReporter(place, {
      onFailure: (message) => void failures.push(message),
      emitPodEvent: (event) => Promise.resolve(void events.push(event)),
    });
    report(
      'published keys of the issuer not read',
      new LoggableError('get i.example: no response'),
    );
    report('published keys of the issuer not read', new Error('secret'));
    expect(failures).toHaveLength(2);
    expect(events).toMatchObject([
      {
        ...{ namespace: 'valetkey', pod: { name: 'authority-0' }, code: 'issuer_unreachable' },
        message: 'https://i.example/jwks: get i.example: no response',
      },
    ]);
  });

  it('logs that the Event could not be written', async () => {
    const failures: string[] = [];
    const onFailure = (message: string) => void failures.push(message);
    const emitPodEvent = () => Promise.reject(new Error('no'));
    createReadFailureReporter(place, { onFailure, emitPodEvent })('x', new LoggableError('y'));
    await Promise.resolve();
    await Promise.resolve();
    expect(failures).toEqual(['x', 'event not written']);
  });
});

describe('createPublishedKeysReader', () => {
  it('returns the key IDs and the max-age of the public copy', async () => {
    const { fetchPublishedKeys, bucket } = startTestPublisher();
    bucket.text = buildJwksText('one', 'two');
    expect(await fetchPublishedKeys()).toEqual({ kids: ['one', 'two'], maxAgeMs: 600_000 });
  });

  it('returns undefined if the public copy cannot be read, and causes no publication', async () => {
    const { fetchPublishedKeys, failures, published } = startTestPublisher({
      fetchPublic: () => Promise.reject(new Error('no answer')),
    });
    await advanceTime(61_000);
    expect(await fetchPublishedKeys()).toBeUndefined();
    expect(failures).toContain('published keys of the issuer not read');
    expect(published()).toBe(1);
  });

  it('reads the public copy also when the authority does not publish, without a timer', async () => {
    const read = () => Promise.resolve({ text: buildJwksText('one'), cacheControl: undefined });
    const fetchPublishedKeys = createPublishedKeysReader(read, () => undefined);
    expect((await fetchPublishedKeys())?.kids).toEqual(['one']);
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
  it.each(ages)('reads Cache-Control %s as a max-age of %i s', (cacheControl, seconds) => {
    expect(parsePublicCopy({ text: buildJwksText('a'), cacheControl }).maxAgeMs).toBe(
      seconds * 1000,
    );
  });

  it.each(['', 'no', 'null', '{}', '{"keys":7}', '{"keys":[{"kid":7}]}', '{"keys":[null]}'])(
    'throws if the response is not a JWKS: %j',
    (text) => {
      expect(() => parsePublicCopy({ text, cacheControl: undefined })).toThrow('expected a JWKS');
    },
  );
});
