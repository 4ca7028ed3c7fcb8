import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';
import { hashAwsBody, hashBytes, hashJson } from './body-content.ts';
import { buildCallContent, type DescribableCall } from './call-content.ts';
import { selectContentHeaders } from './call-headers.ts';

const JSON_HEADERS = new Map([['content-type', 'application/x-amz-json-1.0']]);
const FORM_HEADERS = new Map([['content-type', 'application/x-www-form-urlencoded']]);
const hash = (text: string, tokens: readonly string[] = [], headers = JSON_HEADERS) =>
  hashAwsBody(Buffer.from(text), { headers, tokens });
/** Without the lines for people. */
const sum = (...given: Parameters<typeof hash>) => {
  return { ...hash(...given), fields: [] };
};

const parts: DescribableCall = {
  ...{ origin: 'https://s3.example', region: 'eu-central-1', method: 'PUT', path: '/acme/a' },
  ...{ query: [], headers: new Map(), body: { none: true } },
  permissions: [{ action: 's3:PutObject', resource: 'arn:aws:s3:::acme/a' }],
};

describe('hashAwsBody', () => {
  it('does not count the order of members, nor what an SDK fills again', () => {
    const tokens = ['ClientToken'];
    expect(sum('{"a":1,"ClientToken":"x","b":{"c":[true,null]}}', tokens)).toEqual(
      sum('{"b":{"c":[true,null]},"ClientToken":"y","a":1}', tokens),
    );
    expect(sum('Action=Run&ClientToken=1&N=2', tokens, FORM_HEADERS)).toEqual(
      sum('Action=Run&N=2&ClientToken=2', tokens, FORM_HEADERS),
    );
  });

  it.each([
    ['{"a":1}', '{"a":"1"}'],
    ['{"a":9007199254740992}', '{"a":9007199254740993}'],
    ['{"a":null}', '{}'],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ['{"a":"text b"}', '{"a":"b"}'],
    ['{"a":{"ClientToken":"x"}}', '{"a":{"ClientToken":"y"}}'],
    ['{"a":1,"a":2}', '{"a":2}'],
    ['{"__proto__":{"a":1}}', '{}'],
    ['["x"]', '{"0":"x"}'],
    ['{"a":1e400}', '{"a":1e401}'],
  ])('counts any other difference: %s, %s', (one, other) => {
    expect(sum(one, ['ClientToken'])).not.toEqual(sum(other, ['ClientToken']));
  });

  it('is equal for equal values and different for different ones, whatever their text is', () => {
    const shuffle = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffle);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([k, v]) => [k, shuffle(v)]),
      );
    };
    const members = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(members, members, (one, other) => {
        const [first, second] = [JSON.stringify(one), JSON.stringify(other)];
        expect(sum(first)).toEqual(sum(JSON.stringify(shuffle(JSON.parse(first)))));
        const areSame = canonicalizeJson(sum(first)) === canonicalizeJson(sum(second));
        expect(areSame).toBe(canonicalizeJson(one) === canonicalizeJson(other));
      }),
    );
  });

  it('shows people each value by its pointer, and how many more there are', () => {
    expect(hash('{"to":"mara","amount":5,"a/b":[false]}').fields).toEqual([
      { name: '/to', value: 'mara' },
      { name: '/amount', value: '5' },
      { name: '/a~1b/0', value: 'false' },
    ]);
    const many = JSON.stringify({ many: Array.from({ length: 100 }, (_, at) => at) });
    expect(hash(many).fields?.at(-1)).toEqual({ name: '…', value: '36 more' });
  });

  it('compares what is no object of JSON by its bytes', () => {
    const xml = new Map([['content-type', 'application/xml']]);
    expect(hash('<a/>', [], xml)).toEqual(hashBytes(Buffer.from('<a/>')));
    expect(hash('')).toEqual({ none: true });
  });
});

describe('buildCallContent', () => {
  const headers = (entries: Record<string, string>) =>
    selectContentHeaders(new Map(Object.entries(entries)), ['x-amz-client-token']);

  it.each([
    ['the server', { origin: 'https://s3.other.example' }],
    ['the region', { region: 'us-east-1' }],
    ['the method', { method: 'DELETE' }],
    ['the path', { path: '/acme/b' }],
    ['the query', { query: [['acl', '']] as const }],
    ['a header', { headers: headers({ 'x-amz-acl': 'public-read' }) }],
    ['the body', { body: hashBytes(Buffer.from('x')) }],
    ['a permission', { permissions: [{ action: 's3:PutObject' }] }],
  ])('differs with %s', (_, change) => {
    expect(buildCallContent({ ...parts, ...change }).sha256).not.toBe(
      buildCallContent(parts).sha256,
    );
  });

  it('counts the order of a query, and shows where the call goes', () => {
    const query = [
      ['id', '1'],
      ['id', '2'],
    ] as const;
    const { sha256, fields } = buildCallContent({ ...parts, query });
    const turned = buildCallContent({ ...parts, query: query.toReversed() });
    expect(turned.sha256).not.toBe(sha256);
    expect(fields.slice(0, 2)).toEqual([
      { name: 'origin', value: 'https://s3.example' },
      { name: 'region', value: 'eu-central-1' },
    ]);
  });

  it('does not count the order of headers, nor dates, signatures, checksums and tokens', () => {
    const stable = { 'content-type': 'text/plain', 'x-amz-acl': 'private' };
    const volatile = {
      ...{ host: 'a', authorization: 'AWS4-HMAC-SHA256 x', 'amz-sdk-invocation-id': '1' },
      ...{ 'x-amz-date': '1', 'x-amz-checksum-crc32': 'x', 'content-md5': 'x', 'user-agent': 'x' },
      ...{ 'x-amz-client-token': '1', 'x-amz-content-sha256': 'x', 'x-amz-security-token': 'x' },
    };
    const one = {
      ...parts,
      headers: headers({ ...volatile, ...stable }),
      query: [
        ['a', '1'],
        ['b', '2'],
      ] as const,
    };
    const other = {
      ...parts,
      headers: headers({ 'x-amz-acl': 'private', 'content-type': 'text/plain' }),
      query: [
        ['a', '1'],
        ['b', '2'],
      ] as const,
    };
    expect(buildCallContent(one).sha256).toBe(buildCallContent(other).sha256);
  });

  it('shows no keys or passwords, and limits what it shows', () => {
    const body = hashJson({ password: 'p4ss', SecretString: 's3cret', note: 'n'.repeat(5_000) });
    const { fields } = buildCallContent({ ...parts, body });
    const text = JSON.stringify(fields);
    expect(text).not.toMatch(/p4ss|s3cret/);
    expect(text).toContain('[not shown]');
    expect(text.length).toBeLessThan(6_000);
    const many = hashJson(
      Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`k${at}`, at])),
    );
    expect(buildCallContent({ ...parts, body: many }).fields).toHaveLength(48);
  });
});
