import type { CallRefusal } from '../../calls/call-refusals.ts';
import { selectHttpRequestHeaders } from '../../calls/http-headers.ts';
import { renderHttpRefusal } from '../../calls/http-refusals.ts';
import { parseHttpTarget, type HttpTarget } from '../../calls/http-target.ts';
import type { RenderedRefusal } from '../../calls/refusal-rendering.ts';
import { serializeMessage, type McpMessage } from '../../mcp/messages.ts';
import { isListening } from '../../mcp/permissions.ts';
import { renderMcpRefusal } from '../../mcp/refusal-rendering.ts';
import { selectListenHeaders } from '../../mcp/request-headers.ts';
import { createAnswerMeter } from './answer-meter.ts';
import { endRunAfterCall } from './call-exchange.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import type { CloudResponse } from './call-responses.ts';
import { createEchoCheck, passHttpResponse } from './http-responses.ts';
import { filterMcpResponse, type FilteredResponse } from './mcp-answers.ts';
import {
  createAnswerRules,
  createMcpSteps,
  type McpCall,
  type McpCallDeps,
  type McpSteps,
  type PostMessage,
  type SentCall,
} from './mcp-steps.ts';
import { refuse, RefusedCall, requireValue } from './refused-call.ts';
import { watchEnds } from './watch-ends.ts';

/** Requests of a server that the gateway answers at a time; without a limit, a server could flood itself. */
const MAX_REPLIES = 16;
/** Streams that a consumer listens to: each is a connection with the server. */
const MAX_LISTENING = 16;

const render =
  (message?: McpMessage) =>
  (refusal: CallRefusal): RenderedRefusal => {
    const plain = renderHttpRefusal(refusal, { format: 'plain', isHead: false });
    const { isResponse, body } = renderMcpRefusal(refusal, message);
    const headers = { 'content-type': 'application/json', 'x-valetkey-code': refusal.code };
    return isResponse
      ? { status: 200, headers, body: Buffer.from(body) }
      : { ...plain, body: Buffer.from(body) };
  };

/** An MCP server has one URL; a query could change what its tools do. */
const readTarget = ({ route: { rest }, secret: { upstream } }: McpCall): HttpTarget => {
  if (!/^\/?(?:\?|$)/.test(rest)) {
    refuse('path_outside', 'expected the base URL of the task, without a path below it');
  }
  const { allow = [], deny } = upstream.query;
  return requireValue(parseHttpTarget(rest, { ...upstream, query: { deny, allow } }));
};

/** Counts the streams to which each consumer listens. */
const createListenLimit = () => {
  const listening = new Map<string, number>();
  const add = (consumer: string, count: number): void => {
    const next = (listening.get(consumer) ?? 0) + count;
    if (next === 0) listening.delete(consumer);
    else listening.set(consumer, next);
  };
  return ({ releases }: CallExchange, { consumer, run }: McpCall): void => {
    if ((listening.get(consumer) ?? 0) >= MAX_LISTENING) {
      refuse('overloaded', `expected at most ${MAX_LISTENING} streams that listen to MCP servers`);
    }
    add(consumer, 1);
    releases.push(() => add(consumer, -1));
    run.endWithRun();
  };
};

/** Answers requests of the server that the Upstream does not allow. */
const createReply = (post: PostMessage, getSent: () => SentCall) => {
  let pending = 0;
  return (text: string): void => {
    if (pending >= MAX_REPLIES) {
      refuse('upstream_untrusted', `expected at most ${MAX_REPLIES} requests of the MCP server`);
    }
    pending += 1;
    const sent = getSent();
    const headers = new Map(selectListenHeaders(sent.headers));
    headers.set('accept', 'application/json, text/event-stream');
    // The answer of a server to our refusal has no reader.
    void post(sent, headers, text)
      .then(({ body }) => body.on('error', () => undefined).destroy())
      .catch(() => undefined)
      .finally(() => (pending -= 1));
  };
};

const createPreparation =
  (deps: McpCallDeps, steps: McpSteps) =>
  (exchange: CallExchange, call: McpCall): SentCall => {
    const sent: SentCall = {
      ...call,
      exchange,
      target: readTarget(call),
      signal: watchEnds(call.run, exchange.outgoing),
      answers: {
        rules: createAnswerRules(call, steps.getPins(call.secret)),
        isEchoed: createEchoCheck(call.secret),
        consumer: call.consumer,
        buffers: deps.buffers,
        reply: createReply(steps.post, () => sent),
      },
    };
    return sent;
  };

type Answer = { readonly response: CloudResponse; readonly message?: McpMessage };

/** Creates the last step: passes the answer of the server on. */
const createPass =
  (deps: McpCallDeps, steps: McpSteps) =>
  async (sent: SentCall, method: string, answer: Answer): Promise<number> => {
    const { run, secret, target, route, signal, answers } = sent;
    const { message } = answer;
    if (answer.response.status === 401) deps.onUnauthorized(run);
    let refused: RefusedCall | undefined;
    const bound = steps.bindSession(sent, method, answer.response);
    // The answer to the end of a session has no message.
    const { response, filter }: FilteredResponse =
      method === 'DELETE'
        ? { response: bound }
        : await filterMcpResponse(bound, answers, {
            ...(message && { message }),
            onRefused: (thrown) => (refused = thrown),
          });
    const answered = {
      requestUrl: `${target.origin}${target.wirePath}`,
      upstreamUrl: secret.upstream.url,
      route: `/${route.kind === 'task' ? 't' : 'r'}/${route.name}`,
    };
    // Tools count no tokens.
    const meter = run.meter && { ...run.meter, countsTokens: false };
    const counted = { method, headers: sent.headers, requestBytes: 0 };
    const { passed } = createAnswerMeter(meter, response, counted);
    await passHttpResponse(response, sent.exchange.outgoing, {
      secret,
      answered,
      signal,
      passed,
      ...(filter && { filter }),
    });
    if (refused !== undefined) throw refused;
    return response.status;
  };

/**
 * Creates what forwards the calls of Upstreams of protocol `mcp`: `POST` of one message, `GET` of the stream
 * of a session, and its `DELETE`. Nothing reaches the server before the message is within its task, and the
 * client gets only what its task allows.
 *
 * @returns the status of the response to the client
 */
export const createMcpForward = (deps: McpCallDeps, records: CallRecords) => {
  const steps = createMcpSteps(deps, records);
  const listen = createListenLimit();
  const prepare = createPreparation(deps, steps);
  const pass = createPass(deps, steps);

  const forwardMessage = async (exchange: CallExchange, call: McpCall): Promise<number> => {
    const sent = prepare(exchange, call);
    const bodyReleases: (() => void)[] = [];
    let isFreed = false;
    const freeBody = (): void => {
      if (!isFreed) for (const release of bodyReleases) release();
      isFreed = true;
    };
    exchange.releases.push(freeBody);
    const message = await steps.readMessage({ ...exchange, releases: bodyReleases }, call);
    exchange.render = render(message);
    steps.checkSession(call);
    const headers = await steps.authorize(sent, message);
    if (isListening(message)) listen(exchange, call);
    exchange.record.sentAt = deps.clock.monotonic();
    const response = await steps.post(sent, headers, serializeMessage(message));
    // An answer may last as long as the run.
    freeBody();
    return pass(sent, 'POST', { response, message });
  };

  const forwardStream = async (exchange: CallExchange, call: McpCall): Promise<number> => {
    const { incoming, record } = exchange;
    const { method = '' } = incoming;
    if (method !== 'GET' && method !== 'DELETE') {
      refuse('request_malformed', 'expected POST, GET or DELETE');
    }
    record.operation = { service: 'mcp', name: method };
    record.authorization = { permissions: [], isResolved: true };
    const sent = prepare(exchange, call);
    steps.checkSession(call);
    if (method === 'GET') listen(exchange, call);
    const { secret, signal } = sent;
    const { origin, wirePath: path } = sent.target;
    const selected = selectListenHeaders(call.headers);
    const headers = selectHttpRequestHeaders(selected, secret.upstream.headers, secret.headers);
    record.sentAt = deps.clock.monotonic();
    const request = { origin, method, path, headers, body: null, signal };
    const response = await deps.send(secret.upstream, request);
    return pass(sent, method, { response });
  };

  return async (exchange: CallExchange, call: McpCall): Promise<number> => {
    exchange.render = render();
    const { upstream } = call.secret;
    if (!upstream.url.startsWith('https:') && !upstream.allowHttp) {
      return refuse('upstream_untrusted', `expected https for upstream ${upstream.name}`);
    }
    try {
      const isPost = exchange.incoming.method === 'POST';
      return await (isPost ? forwardMessage : forwardStream)(exchange, call);
    } catch (thrown) {
      if (thrown instanceof RefusedCall && thrown.refusal.code === 'secret_echoed')
        endRunAfterCall(call.run);
      throw thrown;
    }
  };
};
