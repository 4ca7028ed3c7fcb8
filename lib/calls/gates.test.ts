import { describe, expect, it } from '@jest/globals';
import { MAX_GATED_CALL_LENGTH, type Gate } from '../contract/authority-api.ts';
import { buildGatedCall, listArguments, matchGates } from './gates.ts';

const gate = (changes: Partial<Gate> = {}): Gate => ({
  ...{ gate: 'deny', actions: ['s3:PutObject'], like: ['arn:aws:s3:::b/final/*'], policies: ['p'] },
  ...changes,
});

describe('matchGates', () => {
  it.each([
    [
      'the action and the resource match',
      { action: 's3:PutObject', resource: 'arn:aws:s3:::b/final/a' },
      true,
    ],
    ['another resource', { action: 's3:PutObject', resource: 'arn:aws:s3:::b/a' }, false],
    ['another action', { action: 's3:GetObject', resource: 'arn:aws:s3:::b/final/a' }, false],
    ['the resource is not resolved', { action: 's3:PutObject', within: 'arn:aws:s3:::b' }, true],
  ])('decides whether a gate applies when %s', (_, permission, applies) => {
    expect(matchGates([permission], [gate()]).denied !== undefined).toBe(applies);
    const { asked } = matchGates([permission], [gate({ gate: 'ask' })]);
    expect(asked).toEqual(applies ? [permission] : []);
  });

  it('applies a gate without patterns to each resource, and one of * to each action', () => {
    const every: Gate = { gate: 'deny', actions: ['*'], policies: ['p'] };
    expect(matchGates([{ action: 'a:B', resource: 'x' }], [every]).denied).toEqual(every);
  });

  it('denies a call of several permissions if one of them is denied', () => {
    const permissions = [
      { action: 's3:GetObject', resource: 'arn:aws:s3:::b/a' },
      { action: 's3:PutObject', resource: 'arn:aws:s3:::b/final/a' },
    ];
    const { denied } = matchGates(permissions, [gate({ gate: 'ask', actions: ['*'] }), gate()]);
    expect(denied).toEqual(gate());
  });
});

describe('buildGatedCall', () => {
  it('leaves out what does not fit, so that it counts as unknown', () => {
    const one = { action: 'a:B', resource: 'x' };
    const long = { '/a': 'x'.repeat(MAX_GATED_CALL_LENGTH) };
    expect(buildGatedCall([one], { operation: 'o', bytes: 1, arguments: long })).toEqual({
      ...{ operation: 'o', bytes: 1, permissions: [one] },
    });
    const many = Array.from({ length: 1000 }, (_, at) => ({ action: 's3:D', resource: `${at}` }));
    expect(buildGatedCall(many, { operation: 'o' })).toEqual({
      ...{ operation: 'o', permissions: [{ action: 's3:D' }] },
    });
  });
});

describe('listArguments', () => {
  const list = (body: string | Buffer, type = 'application/x-amz-json-1.1') =>
    listArguments(type, Buffer.from(body as string));

  it('lists the strings of a JSON body by JSON pointer', () => {
    expect(list('{"a/b":{"~":["x",1,"y"]},"n":null,"":"z"}')).toEqual({
      '/a~1b/~0/0': 'x',
      '/a~1b/~0/2': 'y',
      '/': 'z',
    });
    expect(list('')).toEqual({});
    expect(list('"x"', 'application/json; charset=utf-8')).toEqual({ '': 'x' });
  });

  it.each([
    ['another format', 'a=b', 'application/x-www-form-urlencoded'],
    ['what is not JSON', '{', 'application/json'],
    [
      'more than 64 strings',
      JSON.stringify(Array.from({ length: 65 }, () => 'x')),
      'application/json',
    ],
    ['a name that is given twice', '{"to":"eve","to":"mara"}', 'application/json'],
    ['a name in two cases', '{"a":{"To":"eve","to":"mara"}}', 'application/json'],
    ['what is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'application/json'],
    ['a string of more than 1 KiB', JSON.stringify('x'.repeat(1025)), 'application/json'],
  ])('does not know the strings of %s', (_, body, type) => {
    expect(list(body, type)).toBeUndefined();
    expect(listArguments(type, undefined)).toBeUndefined();
  });
});
