import { describe, expect, it } from '@jest/globals';
import { filterServerMessage, planMcpAnswer, type AnswerRules } from './answer-filter.ts';
import { MAX_ANSWER_BYTES } from './messages.ts';
import { digestTool } from './tool-digest.ts';
import { createToolPins } from './tool-pins.ts';

const rules: AnswerRules = {
  scope: {
    task: 'docs',
    upstream: 'wiki',
    allow: [
      {
        actions: ['mcp:tools/call', 'mcp:resources/read', 'mcp:prompts/get'],
        resources: [
          'mcp://wiki/tools/shown',
          'mcp://wiki/prompts/shown',
          'mcp://wiki/resources/file:///docs/*',
        ],
      },
    ],
  },
  allowsServerRequests: false,
};

const filterText = (text: string, given = rules) => filterServerMessage(Buffer.from(text), given);

const filter = (message: object, given = rules) =>
  filterText(JSON.stringify({ jsonrpc: '2.0', ...message }), given);

/** The message that the client gets. */
const forwarded = (message: object, given = rules): unknown => {
  const result = filter(message, given);
  if (!result.ok) throw new Error(result.refusal.code);
  return JSON.parse(result.value.forward ?? 'null');
};

const items = [{ name: 'shown' }, { name: 'hidden' }, { title: 'nameless' }, 'text', null];

describe('filterServerMessage', () => {
  it.each(['tools', 'prompts'])('hides what the task does not allow in a list of %s', (member) => {
    const result = { [member]: items, nextCursor: 'c', ttlMs: 5 };
    expect(forwarded({ id: 1, result })).toMatchObject({
      result: { [member]: [{ name: 'shown' }], nextCursor: 'c', ttlMs: 5 },
    });
  });

  it('hides resources and templates of other URIs', () => {
    const resources = [{ uri: 'file:///docs/a' }, { uri: 'file:///etc/a' }];
    const resourceTemplates = [{ uriTemplate: 'file:///docs/{a}' }, { uriTemplate: 'db://{a}' }];
    expect(forwarded({ id: 1, result: { resources, resourceTemplates } })).toMatchObject({
      result: { resources: [resources[0]], resourceTemplates: [resourceTemplates[0]] },
    });
  });

  it('hides everything where a list is none', () => {
    expect(forwarded({ id: 1, result: { tools: { a: items } } })).toMatchObject({
      result: { tools: [] },
    });
  });

  it('shows of pinned tools what the pin covers, and hides changed and unpinned ones', () => {
    const tool = { name: 'shown', description: 'd' };
    const pins = createToolPins([{ name: 'shown', digest: digestTool(tool) ?? '' }], {
      now: () => 0,
    });
    const tools = [
      { ...tool, Description: 'evil' },
      { ...tool, icons: [{ src: 'x' }] },
    ];
    // Two versions of one key, which a decoder that ignores case could mix up.
    expect(filter({ id: 1, result: { tools } }, { ...rules, pins }).ok).toBe(false);
    expect(forwarded({ id: 1, result: { tools: tools.slice(1) } }, { ...rules, pins })).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { tools: [tool] },
    });
    const changed = [{ ...tool, title: 'new' }];
    expect(forwarded({ id: 1, result: { tools: changed } }, { ...rules, pins })).toMatchObject({
      result: { tools: [] },
    });
    expect(pins.check('shown')).toMatchObject({ refusal: { code: 'tool_drift' } });
  });

  it('forgets the list when the server says that its tools changed', () => {
    const tool = { name: 'shown' };
    const pins = createToolPins([{ name: 'shown', digest: digestTool(tool) ?? '' }], {
      now: () => 0,
    });
    pins.observe([tool]);
    filter({ method: 'notifications/tools/list_changed' }, { ...rules, pins });
    expect(pins.isListNeeded('shown')).toBe(true);
  });

  it('passes other results as they are, with numbers that no double holds', () => {
    const text = '{"jsonrpc":"2.0","id":1, "result":{"content":[],"n":9007199254740993}}';
    expect(filterText(text)).toEqual({ ok: true, value: { forward: text } });
  });

  it('passes errors and notifications', () => {
    const error = { jsonrpc: '2.0', id: 1, error: { code: -32602, message: 'no' } };
    expect(forwarded(error)).toEqual(error);
    const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progress: 1 } };
    expect(forwarded(progress)).toEqual(progress);
  });

  it.each(['sampling/createMessage', 'elicitation/create', 'roots/list', 'unknown'])(
    'answers %s in place of the client, unless the Upstream allows it',
    (method) => {
      const request = { jsonrpc: '2.0', id: 9, method };
      const result = filter(request);
      expect(result).toMatchObject({ ok: true, value: { reply: expect.any(String) } });
      expect(result.ok && result.value.forward).toBeUndefined();
      expect(JSON.parse(result.ok ? (result.value.reply ?? '') : '')).toMatchObject({
        id: 9,
        error: { code: -32601 },
      });
      expect(forwarded(request, { ...rules, allowsServerRequests: true })).toEqual(request);
    },
  );

  it('passes a ping of the server', () => {
    expect(forwarded({ id: 1, method: 'ping' })).toMatchObject({ method: 'ping' });
  });

  it('replaces a result that asks the client, unless the Upstream allows it', () => {
    const inputRequests = { a: { method: 'sampling/createMessage', params: {} } };
    const message = { id: 1, result: { resultType: 'input_required', inputRequests } };
    expect(forwarded(message)).toMatchObject({ id: 1, error: { code: -32601 } });
    expect(forwarded(message, { ...rules, allowsServerRequests: true })).toMatchObject(message);
  });

  it.each([
    ['a batch', '[{"jsonrpc":"2.0","id":1,"result":{}}]'],
    ['a repeated key', '{"jsonrpc":"2.0","id":1,"result":{},"result":{"tools":[]}}'],
    ['a list in another case', '{"jsonrpc":"2.0","id":1,"result":{"Tools":[{"name":"hidden"}]}}'],
    ['a list with a long s', '{"jsonrpc":"2.0","id":1,"result":{"toolſ":[{"name":"hidden"}]}}'],
    ['a text as result', '{"jsonrpc":"2.0","id":1,"result":"tools"}'],
    ['no JSON', '<html>'],
    ['too many bytes', `{"jsonrpc":"2.0","id":1,"result":"${'a'.repeat(MAX_ANSWER_BYTES)}"}`],
  ])('refuses %s', (_, text) => {
    expect(filterText(text)).toMatchObject({ ok: false, refusal: { code: 'upstream_untrusted' } });
  });
});

describe('planMcpAnswer', () => {
  it.each([
    [200, 'application/json; charset=utf-8', 'message'],
    [200, 'text/event-stream', 'events'],
    [202, undefined, 'text'],
    [404, 'application/json', 'text'],
    [502, 'text/html', 'text'],
  ])('reads an answer of %d %s as %s', (status, contentType, plan) => {
    expect(planMcpAnswer({ status, contentType })).toEqual({ ok: true, value: plan });
  });

  it('refuses another type, in which a client could find a message', () => {
    expect(planMcpAnswer({ status: 200, contentType: 'text/html' }).ok).toBe(false);
    expect(planMcpAnswer({ status: 200, contentType: undefined }).ok).toBe(false);
  });
});
