import type { DemoUpstreams } from './demo-upstreams.ts';
import { findGatewayCode, formatOutcome } from './outcomes.ts';
import { buildLine, summarize, type ResultLine } from './result-line.ts';
import type { FindStepReport } from './step-reports.ts';

type Calls = Pick<DemoUpstreams, 'listModelCalls' | 'listToolCalls'>;

/** Compares the agent's reports about the model API and the MCP server with what reached these servers. */
export const buildUpstreamLines = (agent: FindStepReport, calls: Calls): readonly ResultLine[] => [
  buildModelLine(agent, calls),
  buildToolLine(agent, calls),
];

/** The server answers only to its real key, which the search for keys did not find in the agent. */
const buildModelLine = (agent: FindStepReport, { listModelCalls }: Calls): ResultLine => {
  const [allowed, refused] = [agent('model /chat/completions'), agent('model /embeddings')];
  const expected = '200 by the API with its own key';
  const got = summarize(expected, [
    [formatOutcome(allowed), '200'],
    [`${refused.status} ${findGatewayCode(refused)}`, '403 path_outside'],
    [`calls of ${listModelCalls().join()}`, 'calls of /v1/chat/completions'],
  ]);
  return buildLine({
    name: 'a model call of the OpenAI SDK',
    expected,
    got,
    detail: "the agent sent its local token; another path: 403 path_outside, not in the API's log",
    milliseconds: allowed.milliseconds,
  });
};

/** The reason contains the name of the policy: `<TaskPolicy>/<@id>`. */
const buildToolLine = (agent: FindStepReport, { listToolCalls }: Calls): ResultLine => {
  const [allowed, outside, refused] = [
    agent('tool echo'),
    agent('tool echo get-sum'),
    agent('tool get-env'),
  ];
  const expected = '403 policy_denied';
  const policy = /forbidden by [^\s),]+/.exec(refused.message ?? '')?.[0];
  const got = summarize(expected, [
    [formatOutcome(refused), expected],
    [policy ?? 'forbidden by nothing', 'forbidden by agents/no-environment'],
    [formatOutcome(allowed), '200'],
    [findGatewayCode(outside), 'tool_outside'],
    [`calls of ${listToolCalls().join()}`, 'calls of echo'],
  ]);
  return buildLine({
    name: 'an MCP tool that policy forbids',
    expected,
    got,
    detail: `${policy}; echo answered, get-sum in its run: tool_outside, not in the server's log`,
    milliseconds: refused.milliseconds,
  });
};
