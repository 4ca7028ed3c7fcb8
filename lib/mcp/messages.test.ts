import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { MAX_REQUEST_BYTES, readClientMessage, serializeMessage } from './messages.ts';

const read = (text: string) => readClientMessage(Buffer.from(text));

const call = (params: string) =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;

describe('readClientMessage', () => {
  it.each([
    ['a request', call('{"name":"echo"}'), 'request'],
    ['a notification', '{"jsonrpc":"2.0","method":"notifications/initialized"}', 'notification'],
    ['a response', '{"jsonrpc":"2.0","id":"a","result":{}}', 'response'],
    ['an error', '{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}', 'response'],
  ])('reads %s', (_, text, kind) => {
    expect(read(text)).toMatchObject({ ok: true, value: { kind } });
  });

  it.each([
    ['a batch', `[${call('{}')}]`],
    ['an empty batch', '[]'],
    ['a repeated key', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}'],
    ['a key repeated by an escape', call('{"name":"echo","n\\u0061me":"admin"}')],
    ['a key repeated in another case', call('{"name":"echo","Name":"admin"}')],
    ['a key repeated in another case below', call('{"name":"e","arguments":{"a":1,"A":2}}')],
    ['a key repeated with a long s', call('{"name":"e","arguments":{"is":1,"iſ":2}}')],
    ['a key repeated with the sign of Kelvin', call('{"name":"e","arguments":{"k":1,"\u212a":2}}')],
    ['another member beside params', '{"jsonrpc":"2.0","id":1,"method":"ping","Params":{}}'],
    ['a method and a result', '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}'],
    ['a result and an error', '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}'],
    ['the ID null', '{"jsonrpc":"2.0","id":null,"method":"tools/call"}'],
    ['a fraction as ID', '{"jsonrpc":"2.0","id":1.5,"method":"ping"}'],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"ping"}'],
    ['a list as params', call('["echo"]')],
    ['an integer that no double holds', call('{"name":"e","arguments":{"n":9007199254740993}}')],
    ['a number beyond doubles', call('{"name":"e","arguments":{"n":1e400}}')],
    ['half a surrogate pair', call('{"name":"e","arguments":{"n":"\\ud800"}}')],
    ['65 levels', call(`{"name":"e","arguments":${'['.repeat(63)}${']'.repeat(63)}}`)],
    ['text after the message', `${call('{}')} {}`],
    ['a byte order mark', `\uFEFF${call('{}')}`],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(read(text)).toMatchObject({ ok: false, refusal: { code: 'request_malformed' } });
  });

  it('refuses bytes that are no UTF-8', () => {
    const body = Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":"'), Buffer.from([0xff, 0x22])]);
    expect(
      readClientMessage(Buffer.concat([body, Buffer.from(',"method":"ping"}')])),
    ).toMatchObject({ ok: false });
  });

  it('accepts 64 levels', () => {
    const lists = `${'['.repeat(61)}${']'.repeat(61)}`;
    expect(read(call(`{"name":"e","arguments":{"a":${lists}}}`))).toMatchObject({ ok: true });
  });

  it('accepts a body of 1 MiB and refuses one byte more', () => {
    const fill = (bytes: number) => {
      const rest = bytes - call('{"name":""}').length;
      return read(call(`{"name":"${'a'.repeat(rest)}"}`));
    };
    expect(fill(MAX_REQUEST_BYTES)).toMatchObject({ ok: true });
    expect(fill(MAX_REQUEST_BYTES + 1)).toMatchObject({
      ok: false,
      refusal: { code: 'body_too_large' },
    });
  });

  it('keeps a member named __proto__ a member', () => {
    const result = read(call('{"name":"e","arguments":{"__proto__":{"name":"admin"}}}'));
    expect(result.ok && serializeMessage(result.value)).toContain('"__proto__":{"name":"admin"}');
  });

  it('shows no text of the body in a refusal', () => {
    const result = read(call('{"name":"topsecret","Name":"topsecret"}'));
    expect(JSON.stringify(result)).not.toContain('topsecret');
  });

  const mutated = fc
    .tuple(
      fc.record({
        jsonrpc: fc.constantFrom('2.0', '1.0'),
        id: fc.oneof(fc.integer(), fc.string(), fc.constant(null)),
        method: fc.constantFrom('tools/call', 'ping', 'notifications/cancelled'),
        params: fc.dictionary(fc.string(), fc.jsonValue()),
      }),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...'{ } [ ] , : " \\ 0 a A \u0000'.split(' '))), {
        maxLength: 3,
      }),
    )
    .map(([message, edits]) =>
      edits.reduce((text, [at, character]) => {
        const index = at % text.length;
        return `${text.slice(0, index)}${character}${text.slice(index + 1)}`;
      }, JSON.stringify(message)),
    );
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    mutated.map((text) => new Uint8Array(Buffer.from(text))),
    fc.json().map((text) => new Uint8Array(Buffer.from(text))),
  );

  it('yields a refusal or exactly one message, which the serialized body is again', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        const first = readClientMessage(body);
        if (!first.ok) return;
        const sent = serializeMessage(first.value);
        const again = readClientMessage(Buffer.from(sent));
        // As text: -0 is sent as 0.
        expect(again.ok && JSON.stringify(again.value)).toBe(JSON.stringify(first.value));
        expect(again.ok && serializeMessage(again.value)).toBe(sent);
      }),
      { numRuns: 500 },
    );
  });
});
