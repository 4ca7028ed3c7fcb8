import { describe, expect, it } from '@jest/globals';
import { toMessage } from './messages.ts';
import { buildToolsList, readListAnswer } from './tools-listing.ts';

const build = (params: object, cursor?: string) => {
  const call = toMessage({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  if (call === undefined) throw new Error('expected a message');
  return buildToolsList(call, cursor).value;
};

describe('buildToolsList', () => {
  it('lists in the era of the call, without its progress token', () => {
    const version = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
    expect(build({ name: 'a', _meta: { ...version, progressToken: 1 } }, 'next')).toEqual({
      jsonrpc: '2.0',
      id: 'valetkey-list',
      method: 'tools/list',
      params: { _meta: version, cursor: 'next' },
    });
    expect(build({ name: 'a' })).toMatchObject({ params: {} });
  });
});

describe('readListAnswer', () => {
  it('finds the next page, and none at the end', () => {
    const read = (rest: object) => readListAnswer(JSON.stringify({ id: 'valetkey-list', ...rest }));
    expect(read({ result: { nextCursor: 'next' } })).toEqual({ cursor: 'next' });
    expect(read({ result: { tools: [] } })).toEqual({});
    expect(read({ error: {} })).toEqual({});
  });

  it('is no answer to another request, and no request', () => {
    expect(readListAnswer('{"id":1,"result":{}}')).toBeUndefined();
    expect(readListAnswer('{"id":"valetkey-list","method":"ping"}')).toBeUndefined();
  });
});
