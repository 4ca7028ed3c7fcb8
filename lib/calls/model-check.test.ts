import { describe, expect, it } from '@jest/globals';

import { checkModels } from './model-check.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const check = (
  body: string,
  { headers = JSON_TYPE, path = '/v1/chat/completions' }: { headers?: object; path?: string } = {},
) =>
  checkModels(
    {
      body: Buffer.from(body),
      headers: new Map(Object.entries(headers) as [string, string][]),
      path,
    },
    ['gpt-4.1', 'gpt-4.1-mini'],
  );

describe('checkModels', () => {
  it.each([
    ['{"model":"gpt-4.1","messages":[]}'],
    ['{"model":"gpt-4.1","models":["gpt-4.1-mini"]}'],
    ['{"model":"gpt-4.1","tools":[{"a":1,"A":2}]}'],
  ])('accepts %s', (body) => {
    expect(check(body)).toMatchObject({ ok: true, value: { model: 'gpt-4.1' } });
  });

  it.each([
    ['{"model":"o3"}', 'model_outside'],
    ['{"model":"gpt-4.1 "}', 'model_outside'],
    ['{"model":"GPT-4.1"}', 'model_outside'],
    ['{"model":["gpt-4.1"]}', 'model_outside'],
    ['{"model":null}', 'model_outside'],
    ['{"messages":[]}', 'model_outside'],
    ['{"Model":"gpt-4.1"}', 'model_outside'],
    ['{"model":"gpt-4.1","models":["o3"]}', 'model_outside'],
    ['{"model":"gpt-4.1","models":"o3"}', 'model_outside'],
    ['{"model":"gpt-4.1","model":"o3"}', 'request_malformed'],
    ['{"model":"gpt-4.1","\\u006dodel":"o3"}', 'request_malformed'],
    ['{"model":"gpt-4.1","MODEL":"o3"}', 'request_malformed'],
    ['["gpt-4.1"]', 'request_malformed'],
    ['model=gpt-4.1', 'request_malformed'],
    [`${'['.repeat(100)}${']'.repeat(100)}`, 'request_malformed'],
    ['', 'request_malformed'],
  ])('refuses %s', (body, code) => {
    expect(check(body)).toMatchObject({ ok: false, refusal: { code } });
  });

  it.each([
    [{ 'content-type': 'multipart/form-data; boundary=x' }],
    [{ 'content-type': 'application/json; charset=utf-16' }],
    [{ 'content-type': 'application/json, text/plain' }],
    [{}],
    [{ ...JSON_TYPE, 'content-encoding': 'gzip' }],
  ])('refuses a body that others could read otherwise: %j', (headers) => {
    expect(check('{"model":"gpt-4.1"}', { headers })).toMatchObject({
      refusal: { code: 'model_outside' },
    });
  });

  it('finds streams that would end without numbers of tokens', () => {
    const lacksUsage = (body: object, path?: string) => {
      const result = check(
        JSON.stringify({ model: 'gpt-4.1', messages: [], ...body }),
        path === undefined ? {} : { path },
      );
      return result.ok && result.value.lacksUsage;
    };
    expect(lacksUsage({ stream: true })).toBe(true);
    expect(lacksUsage({ stream: true, stream_options: { include_usage: false } })).toBe(true);
    expect(lacksUsage({ stream: true, stream_options: { include_usage: true } })).toBe(false);
    expect(lacksUsage({ stream: false })).toBe(false);
    expect(lacksUsage({ stream: true }, '/v1/messages')).toBe(false);
  });
});
