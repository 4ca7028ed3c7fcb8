import { describe, expect, it } from '@jest/globals';
import { toMessage } from './messages.ts';
import { buildToolsList, findNextCursor } from './tools-listing.ts';

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

describe('findNextCursor', () => {
  it('finds the next page, and none at the end', () => {
    expect(findNextCursor('{"result":{"nextCursor":"next"}}')).toBe('next');
    expect(findNextCursor('{"result":{"tools":[]}}')).toBeUndefined();
    expect(findNextCursor('{"error":{}}')).toBeUndefined();
  });
});
