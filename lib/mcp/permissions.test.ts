import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { readClientMessage } from './messages.ts';
import {
  encodeMcpName,
  evaluateMcpMessage,
  isTemplateAllowed,
  type McpScope,
} from './permissions.ts';

const scope: McpScope = {
  task: 'docs',
  upstream: 'wiki',
  allow: [
    {
      actions: ['mcp:tools/call'],
      resources: ['mcp://wiki/tools/search', 'mcp://wiki/tools/get-*'],
    },
    { actions: ['mcp:resources/read'], resources: ['mcp://wiki/resources/file:///docs/*'] },
    { actions: ['mcp:prompts/get'], resources: ['mcp://wiki/prompts/summary'] },
  ],
};

const evaluate = (message: object) => {
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
  const read = readClientMessage(body);
  if (!read.ok) throw new Error(read.refusal.message);
  return evaluateMcpMessage(read.value, scope);
};

const request = (method: string, params: object = {}) => evaluate({ id: 1, method, params });

describe('evaluateMcpMessage', () => {
  it.each([
    ['initialize', {}],
    ['ping', {}],
    ['server/discover', {}],
    ['tools/list', {}],
    ['resources/list', {}],
    ['resources/templates/list', {}],
    ['prompts/list', {}],
    ['completion/complete', {}],
    ['logging/setLevel', { level: 'debug' }],
    ['tools/call', { name: 'search' }],
    ['tools/call', { name: 'get-page' }],
    ['resources/read', { uri: 'file:///docs/a.md' }],
    ['resources/subscribe', { uri: 'file:///docs/a%20b.md' }],
    ['resources/unsubscribe', { uri: 'file:///docs/a.md' }],
    ['prompts/get', { name: 'summary' }],
    ['subscriptions/listen', { notifications: { toolsListChanged: true } }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: ['file:///docs/a'] } }],
  ])('passes %s %j', (method, params) => {
    expect(request(method, params)).not.toHaveProperty('refusal');
  });

  it.each([
    ['another tool', 'tools/call', { name: 'delete' }, 'tool_outside'],
    ['a tool in another case', 'tools/call', { name: 'Search' }, 'tool_outside'],
    ['a tool with a wildcard', 'tools/call', { name: '*' }, 'tool_outside'],
    ['a tool that continues', 'tools/call', { name: 'search\n' }, 'tool_outside'],
    ['another resource', 'resources/read', { uri: 'file:///etc/passwd' }, 'resource_outside'],
    ['another subscription', 'resources/subscribe', { uri: 'file:///etc' }, 'resource_outside'],
    ['another end', 'resources/unsubscribe', { uri: 'file:///etc' }, 'resource_outside'],
    ['another prompt', 'prompts/get', { name: 'admin' }, 'resource_outside'],
    [
      'one of two subscriptions',
      'subscriptions/listen',
      { notifications: { resourceSubscriptions: ['file:///docs/a', 'file:///etc'] } },
      'resource_outside',
    ],
    ['no name', 'tools/call', {}, 'request_malformed'],
    ['an empty name', 'tools/call', { name: '' }, 'request_malformed'],
    ['a name in another case', 'tools/call', { Name: 'search' }, 'request_malformed'],
    ['a list as name', 'tools/call', { name: ['search'] }, 'request_malformed'],
    ['a long name', 'tools/call', { name: 'a'.repeat(2049) }, 'request_malformed'],
    [
      'a text as subscriptions',
      'subscriptions/listen',
      { notifications: { resourceSubscriptions: 'file:///etc' } },
      'request_malformed',
    ],
    ['an unknown method', 'tools/delete', {}, 'operation_unknown'],
    ['a method in another case', 'Tools/Call', { name: 'search' }, 'operation_unknown'],
    ['a method of objects', 'constructor', {}, 'operation_unknown'],
    ['a method of experiments', 'tasks/result', { taskId: '1' }, 'operation_unknown'],
    ['a notification with ID', 'notifications/cancelled', {}, 'operation_unknown'],
  ])('refuses %s', (_, method, params, code) => {
    expect(request(method, params)).toMatchObject({ refusal: { code } });
  });

  it.each([
    'file:///docs/../etc/passwd',
    'file:///docs/..',
    'file:///docs/./a',
    'file:///docs/%2e%2e/etc',
    'file:///docs/%252e%252e/etc',
    'file:///docs/..%2fetc',
    'file:///docs/..\\etc',
    'file:///docs/a%5c..%5cb',
    'file:///docs/../?a',
    'file:///docs/%',
  ])('refuses %s, which a server could resolve to another resource', (uri) => {
    expect(request('resources/read', { uri })).toMatchObject({
      refusal: { code: 'request_malformed' },
    });
  });

  it('refuses a tool call without ID, which a server could run as a notification', () => {
    expect(evaluate({ method: 'tools/call', params: { name: 'search' } })).toMatchObject({
      refusal: { code: 'operation_unknown' },
    });
  });

  it('passes notifications and responses to requests of the server', () => {
    expect(evaluate({ method: 'notifications/initialized' })).not.toHaveProperty('refusal');
    expect(evaluate({ id: 7, result: {} })).not.toHaveProperty('refusal');
  });
});

describe('encodeMcpName', () => {
  it.each([
    ['get-page_2.x', 'get-page_2.x'],
    ['file:///docs/a', 'file:///docs/a'],
    ['a b', 'a%20b'],
    ['a%20b', 'a%2520b'],
    ['*?{x}#', '%2A%3F%7Bx%7D%23'],
    ['größe', 'gr%C3%B6%C3%9Fe'],
    ['🔧', '%F0%9F%94%A7'],
  ])('encodes %s as %s', (name, encoded) => {
    expect(encodeMcpName(name)).toBe(encoded);
  });

  it('gives two names never one encoding, and no wildcard', () => {
    const names = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(names, (name) => {
        const encoded = encodeMcpName(name);
        expect(decodeURIComponent(encoded)).toBe(name);
        expect(encoded).not.toMatch(/[*?{}]/);
      }),
    );
  });
});

describe('isTemplateAllowed', () => {
  it('shows a template that can name an allowed resource, and no other', () => {
    expect(isTemplateAllowed(scope, 'file:///docs/{name}')).toBe(true);
    expect(isTemplateAllowed(scope, 'file:///{+path}')).toBe(true);
    expect(isTemplateAllowed(scope, 'file:///etc/{name}')).toBe(false);
  });
});
