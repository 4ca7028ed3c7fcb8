import { describe, expect, it } from '@jest/globals';
import { toMessage } from './messages.ts';
import { encodeMcpHeader, writeMcpHeaders } from './request-headers.ts';

const write = (message: object, headers: Readonly<Record<string, string>> = {}) => {
  const read = toMessage({ jsonrpc: '2.0', ...message });
  if (read === undefined) throw new Error('expected a message');
  const written = writeMcpHeaders(new Map(Object.entries(headers)), read);
  return written.ok ? Object.fromEntries(written.value) : written.refusal.code;
};

const call = { id: 1, method: 'tools/call', params: { name: 'echo' } };

describe('writeMcpHeaders', () => {
  it('writes method and name from the body, whatever the client sent', () => {
    expect(write(call, { 'mcp-method': 'ping', 'mcp-name': 'other', accept: '*/*' })).toEqual({
      'mcp-method': 'tools/call',
      'mcp-name': 'echo',
      accept: '*/*',
    });
  });

  it('writes no name for a request without one, and neither for a response', () => {
    expect(write({ id: 1, method: 'tools/list' }, { 'mcp-name': 'echo' })).toEqual({
      'mcp-method': 'tools/list',
    });
    expect(write({ id: 1, result: {} }, { 'mcp-name': 'echo', 'mcp-method': 'x' })).toEqual({});
  });

  it('takes the version from the body of a stateless request, else from the header', () => {
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
    const stateless = { id: 1, method: 'tools/list', params: { _meta } };
    const header = { 'mcp-protocol-version': '2025-11-25' };
    expect(write(stateless, header)).toMatchObject({ 'mcp-protocol-version': '2026-07-28' });
    expect(write(call, header)).toMatchObject({ 'mcp-protocol-version': '2025-11-25' });
  });

  it.each([['1\r\nx: y'], [7], ['']])('refuses the version %j', (version) => {
    const _meta = { 'io.modelcontextprotocol/protocolVersion': version };
    expect(write({ id: 1, method: 'ping', params: { _meta } })).toBe('request_malformed');
  });
});

describe('encodeMcpHeader', () => {
  // The examples of MCP 2026-07-28, "Value Encoding".
  it.each([
    ['us-west1', 'us-west1'],
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
  ])('encodes %j as MCP requires', (value, encoded) => {
    expect(encodeMcpHeader(value)).toBe(encoded);
  });
});
