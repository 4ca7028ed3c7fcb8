import { describe, expect, it } from '@jest/globals';
import type { StepReport } from './agent-calls.ts';
import { buildUpstreamLines } from './upstream-lines.ts';

type Reports = Readonly<Record<string, Partial<StepReport>>>;

const REPORTS: Reports = {
  'model /chat/completions': { status: 200 },
  'model /embeddings': { status: 403, message: '403 valetkey: outside (path_outside)' },
  'tool echo': { status: 200 },
  'tool echo get-sum': { status: 403, message: 'valetkey: outside (tool_outside)' },
  'tool get-env': {
    ...{ status: 403, code: 'policy_denied' },
    message: 'expected a permit, got: forbidden by agents/no-environment',
  },
};

type Given = {
  readonly reports?: Reports;
  readonly model?: readonly string[];
  readonly tools?: readonly string[];
};

const build = ({ reports = {}, model = ['/v1/chat/completions'], tools = ['echo'] }: Given = {}) =>
  buildUpstreamLines(
    (step) => ({ status: 0, milliseconds: 1, ...REPORTS[step], ...reports[step], step }),
    { listModelCalls: () => model, listToolCalls: () => tools },
  ).map(({ met }) => met);

describe('buildUpstreamLines', () => {
  it('is as expected if one call of each reached its server and the others were refused', () => {
    expect(build()).toEqual([true, true]);
  });

  it.each([
    [
      'the refused path reached the model API',
      { model: ['/v1/chat/completions', '/v1/embeddings'] },
    ],
    ['no call reached the model API', { model: [] }],
    ['the allowed call failed', { reports: { 'model /chat/completions': { status: 401 } } }],
    ['another path was answered', { reports: { 'model /embeddings': { status: 200 } } }],
  ])('differs if %s', (_, given) => {
    expect(build(given)).toEqual([false, true]);
  });

  it.each([
    ['a refused tool reached the MCP server', { tools: ['echo', 'get-sum'] }],
    ['the allowed tool failed', { reports: { 'tool echo': { status: 403 } } }],
    ['policy permitted the tool', { reports: { 'tool get-env': { status: 200 } } }],
    [
      'another policy refused the tool',
      { reports: { 'tool get-env': { ...REPORTS['tool get-env'], message: 'forbidden by a/b' } } },
    ],
  ])('differs if %s', (_, given) => {
    expect(build(given)).toEqual([true, false]);
  });
});
