import { describe, expect, it } from '@jest/globals';
import { toMessage } from './messages.ts';
import { renderMcpRefusal } from './refusal-rendering.ts';
import type { McpRefusal } from './refusals.ts';

const refusal: McpRefusal = { code: 'tool_outside', message: 'x is outside task t' };
const TEXT = 'valetkey: x is outside task t (tool_outside)';

const render = (message: object, given = refusal) => {
  const { isResponse, body } = renderMcpRefusal(given, toMessage({ jsonrpc: '2.0', ...message }));
  return { isResponse, answer: JSON.parse(body) as unknown };
};

describe('renderMcpRefusal', () => {
  it('gives a tool call a result with isError that a model can read', () => {
    expect(render({ id: 'a', method: 'tools/call', params: { name: 'x' } })).toEqual({
      isResponse: true,
      answer: {
        jsonrpc: '2.0',
        id: 'a',
        result: {
          content: [{ type: 'text', text: TEXT }],
          isError: true,
          _meta: { 'valetkey.dev/code': 'tool_outside' },
        },
      },
    });
  });

  it('adds the type that stateless clients need of a result', () => {
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
    expect(render({ id: 1, method: 'tools/call', params: { _meta } }).answer).toMatchObject({
      result: { resultType: 'complete', isError: true },
    });
  });

  it('gives other requests an error of JSON-RPC', () => {
    expect(render({ id: 1, method: 'prompts/get' })).toMatchObject({
      isResponse: true,
      answer: { id: 1, error: { message: TEXT, data: { code: 'tool_outside' } } },
    });
  });

  it('gives an unknown method the code by which clients know that a feature is not there', () => {
    const unknown = { code: 'operation_unknown', message: 'm' } as const;
    expect(render({ id: 1, method: 'tasks/list' }, unknown).answer).toMatchObject({
      error: { code: -32_601 },
    });
    expect(render({ id: 1, method: 'prompts/get' }).answer).toMatchObject({
      error: { code: -32_010 },
    });
  });

  it('gives notifications and unreadable bodies an error without ID and no response', () => {
    expect(render({ method: 'notifications/x' })).toMatchObject({ isResponse: false });
    const { isResponse, body } = renderMcpRefusal({ code: 'request_malformed', message: 'm' });
    expect([isResponse, JSON.parse(body)]).toMatchObject([false, { error: {} }]);
    expect(JSON.parse(body)).not.toHaveProperty('id');
  });

  it('leaves an unknown session to its status, at which clients begin a new one', () => {
    const unknown = { code: 'session_unknown', message: 'm' } as const;
    expect(render({ id: 1, method: 'tools/call' }, unknown).isResponse).toBe(false);
  });
});
