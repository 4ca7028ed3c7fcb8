import { describe, expect, it } from '@jest/globals';

import { digestTool } from '../../lib/mcp/tool-digest.ts';
import { runCli } from './fixtures/cli-harness.ts';

const search = {
  name: 'search',
  description: 'Searches the wiki — quickly',
  inputSchema: { type: 'object', properties: { Path: { type: 'string' }, path: {} } },
  _meta: { ignored: true },
};
const read = { name: 'read', inputSchema: { type: 'object' } };

const run = (text: string, ...more: readonly string[]) =>
  runCli(['mcp', 'digest', 'tools.json', ...more], { files: { 'tools.json': text } });

describe('mcp digest', () => {
  it.each([
    ['the answer', JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools: [search, read] } })],
    ['its result, on several lines', JSON.stringify({ tools: [search, read] }, null, 2)],
    [
      'two pages of an event stream',
      [[search], [read]]
        .map((tools) => `event: message\ndata: ${JSON.stringify({ result: { tools } })}\n\n`)
        .join(''),
    ],
  ])('prints what an Upstream pins from %s', async (_what, text) => {
    const { code, out } = await run(text);
    expect(out).toBe(
      [
        'tools:',
        '  - name: "search"',
        `    digest: ${digestTool(search)}`,
        '  - name: "read"',
        `    digest: ${digestTool(read)}`,
        '',
      ].join('\n'),
    );
    expect(code).toBe(0);
  });

  it('prints JSON for programs', async () => {
    const { out } = await run(JSON.stringify({ tools: [read] }), '-o', 'json');
    expect(JSON.parse(out)).toEqual({ tools: [{ name: 'read', digest: digestTool(read) }] });
  });

  it.each([
    ['other text', 'nothing', 'got 0 tools'],
    ['an error of the server', '{"error":{"message":"no"}}', 'got 0 tools'],
    ['a repeated key', '{"tools":[{"name":"a","name":"b"}]}', 'got 0 tools'],
    ['a tool twice', JSON.stringify({ tools: [read, read] }), 'tools[1]: expected each tool once'],
    ['a name with a space', '{"tools":[{"name":"a b"}]}', 'visible characters of ASCII'],
    ['half a character', '{"tools":[{"name":"a","title":"\\ud800"}]}', 'well-formed Unicode'],
  ])('refuses %s', async (_what, text, expected) => {
    const { code, error, out } = await run(text);
    expect(error).toContain(expected);
    expect([code, out]).toEqual([2, '']);
  });
});
