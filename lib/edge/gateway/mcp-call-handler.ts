import type { BodyBuffers } from '../../calls/body-buffers.ts';
import { refuseCanary } from '../../calls/canaries.ts';
import type { CallRefusal } from '../../calls/call-refusals.ts';
import { hashJson } from '../../calls/body-content.ts';
import { buildCallContent } from '../../calls/call-content.ts';
import type { CallRun } from '../../calls/call-runs.ts';
import { selectHttpContentHeaders, selectHttpRequestHeaders } from '../../calls/http-headers.ts';
import { renderHttpRefusal } from '../../calls/http-refusals.ts';
import {
  parseHttpTarget,
  splitQuery,
  type HttpRoute,
  type HttpTarget,
} from '../../calls/http-target.ts';
import type { RenderedRefusal } from '../../calls/refusal-rendering.ts';
import type { Clock } from '../../contract/clock.ts';
import type { HttpSecret, McpRules } from '../../contract/upstream.ts';
import type { AnswerRules } from '../../mcp/answer-filter.ts';
import {
  MAX_REQUEST_BYTES,
  readClientMessage,
  serializeMessage,
  type McpMessage,
} from '../../mcp/messages.ts';
import {
  describeMcpMethod,
  describeMcpPermission,
  evaluateMcpMessage,
  isListening,
  type McpPermission,
} from '../../mcp/permissions.ts';
import { selectMeant } from '../../mcp/meant-params.ts';
import { renderMcpRefusal } from '../../mcp/refusal-rendering.ts';
import { selectListenHeaders, writeMcpHeaders } from '../../mcp/request-headers.ts';
import { createMcpSessions, type SessionOwner } from '../../mcp/sessions.ts';
import { createToolPins, type ToolPins } from '../../mcp/tool-pins.ts';
import { buildToolsList, MAX_LIST_PAGES } from '../../mcp/tools-listing.ts';
import { createAnswerMeter } from './answer-meter.ts';
import { createBodyReader } from './body-steps.ts';
import { endRunAfterCall } from './call-exchange.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import type { CloudResponse } from './call-responses.ts';
import { createGateStep, type GateStepDeps } from './gate-step.ts';
import { createEchoCheck, passHttpResponse, type SendHttp } from './http-responses.ts';
import {
  filterMcpResponse,
  readToolsList,
  type AnswerContext,
  type FilteredResponse,
} from './mcp-answers.ts';
import { refuse, RefusedCall, requireValue } from './refused-call.ts';
import { watchEnds } from './watch-ends.ts';

/** A request whose run is known. */
export type McpCall = {
  readonly headers: ReadonlyMap<string, string>;
  readonly route: HttpRoute;
  readonly consumer: string;
  readonly run: CallRun;
  readonly secret: HttpSecret;
};

export type McpCallDeps = GateStepDeps & {
  readonly buffers: Pick<BodyBuffers, 'reserve'>;
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  readonly send: SendHttp;
  /** The upstream refused the secret of a run. */
  readonly onUnauthorized: (run: CallRun) => void;
};

/** A call that is being sent. */
type SentCall = McpCall & {
  readonly exchange: CallExchange;
  readonly target: HttpTarget;
  readonly signal: AbortSignal;
  readonly answers: AnswerContext;
};

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

const getMcpRules = ({ upstream: { name, mcp } }: HttpSecret): McpRules =>
  mcp ?? refuse('upstream_untrusted', `upstream ${name}: expected its rules for MCP, got none`);

const getOwner = ({ consumer, run, route }: McpCall): SessionOwner => ({
  consumer,
  task: run.task,
  ...(route.kind === 'run' && { run: run.run }),
});

/** The pins of a run: a later run may have others, and lists the tools again. */
const createPinMemory = (now: () => number) => {
  const known = new WeakMap<HttpSecret, ToolPins>();
  return (secret: HttpSecret): ToolPins | undefined => {
    const { tools } = getMcpRules(secret);
    if (tools === undefined) return undefined;
    const pins = known.get(secret) ?? createToolPins(tools, { now });
    known.set(secret, pins);
    return pins;
  };
};

const createAnswerRules = ({ run, secret }: McpCall, pins: ToolPins | undefined): AnswerRules => ({
  scope: { task: run.task, upstream: secret.upstream.name, allow: run.allow },
  ...(pins !== undefined && { pins }),
  allowsServerRequests: getMcpRules(secret).serverRequests,
});

/** Of the request as the client sent it: the body is written again, and must be read as it is. */
const NOT_PASSED = /^(?:content-|range$|if-|last-event-id$)/;

const dropNotPassed = (headers: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
  new Map([...headers].filter(([name]) => !NOT_PASSED.test(name)));

/** Those of MCP repeat the message, or name its session, which a client may begin again. */
const selectContentHeaders = ({ headers, secret }: McpCall): ReadonlyMap<string, string> =>
  new Map(
    [...selectHttpContentHeaders(dropNotPassed(headers), secret.upstream.headers)].filter(
      ([name]) => !name.startsWith('mcp-'),
    ),
  );

const buildPostHeaders = (
  headers: ReadonlyMap<string, string>,
  { upstream, headers: presented }: HttpSecret,
  body: Buffer,
): ReadonlyMap<string, string> =>
  new Map([
    ...selectHttpRequestHeaders(dropNotPassed(headers), upstream.headers, presented),
    ['content-type', 'application/json'],
    ['content-length', String(body.length)],
  ]);

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

/** Creates the steps that decide about one message; each throws a {@link RefusedCall} to end it. */
const createMcpSteps = (deps: McpCallDeps, records: CallRecords) => {
  const { maxBodyBytes, clock, send } = deps;
  const sessions = createMcpSessions();
  const getPins = createPinMemory(clock.monotonic);
  const checkGates = createGateStep(deps, records);

  const post = (
    { target, secret, signal }: SentCall,
    headers: ReadonlyMap<string, string>,
    message: string,
  ): Promise<CloudResponse> => {
    const { origin, wirePath: path } = target;
    const body = Buffer.from(message);
    return send(secret.upstream, {
      ...{ origin, method: 'POST', path, signal, body },
      headers: buildPostHeaders(headers, secret, body),
    });
  };

  /** Lists all pages, so that the pins know the server's tools. */
  const listTools = async (sent: SentCall, message: McpMessage): Promise<void> => {
    let cursor: string | undefined;
    for (let page = 0; page < MAX_LIST_PAGES; page += 1) {
      const list = buildToolsList(message, cursor);
      const headers = requireValue(writeMcpHeaders(sent.headers, list));
      const response = await post(sent, headers, serializeMessage(list));
      ({ cursor } = await readToolsList(response, sent.answers));
      if (cursor === undefined) return;
    }
  };

  const checkPins = async (
    sent: SentCall,
    message: McpMessage,
    permissions: readonly McpPermission[],
  ): Promise<void> => {
    const { pins } = sent.answers.rules;
    if (pins === undefined) return;
    for (const { kind, name } of permissions) {
      if (kind !== 'tools') continue;
      if (pins.isListNeeded(name)) {
        await records.wait(sent.exchange.record, listTools(sent, message));
      }
      requireValue(pins.check(name));
    }
  };

  return {
    getPins,
    post,
    readMessage: async (exchange: CallExchange, call: McpCall): Promise<McpMessage> => {
      const limit = Math.min(maxBodyBytes, call.secret.upstream.maxBodyBytes, MAX_REQUEST_BYTES);
      const read = createBodyReader({ ...deps, maxBodyBytes: limit }, records);
      return requireValue(readClientMessage(await read(exchange, call.consumer)));
    },
    checkSession: (call: McpCall): void => {
      const id = call.headers.get('mcp-session-id');
      if (id === undefined || sessions.isBound(getOwner(call), id)) return;
      refuse('session_unknown', 'no session with this ID belongs to this task');
    },
    authorize: async (
      sent: SentCall,
      message: McpMessage,
    ): Promise<ReadonlyMap<string, string>> => {
      const { record } = sent.exchange;
      const { scope } = sent.answers.rules;
      record.operation = { service: 'mcp', name: describeMcpMethod(message) };
      const { permissions: needed, ...evaluated } = evaluateMcpMessage(message, scope);
      const permissions = needed.map((each) => describeMcpPermission(each, scope));
      const authorization = refuseCanary(sent.run, { ...evaluated, permissions, isResolved: true });
      record.authorization = authorization;
      const { refusal } = authorization;
      if (refusal !== undefined) throw new RefusedCall(refusal);
      const body = Buffer.from(serializeMessage(message));
      const { target } = sent;
      const describe = () =>
        buildCallContent({
          ...{ origin: target.origin, method: 'POST', path: target.path },
          query: splitQuery(target),
          headers: selectContentHeaders(sent),
          body: hashJson(selectMeant(message)),
          permissions: record.authorization?.permissions ?? [],
        });
      const facts = { bytes: body.length, contentType: 'application/json', body, describe };
      await checkGates(sent.exchange, sent.run, facts);
      await checkPins(sent, message, needed);
      return requireValue(writeMcpHeaders(sent.headers, message));
    },
    /** Binds the session that a server assigned. @returns the answer without an ID that none can be */
    bindSession: (call: McpCall, method: string, response: CloudResponse): CloudResponse => {
      const owner = getOwner(call);
      const used = call.headers.get('mcp-session-id');
      const isOver = response.status === 404 || (method === 'DELETE' && response.status < 300);
      if (used !== undefined && isOver) sessions.end(owner, used);
      const { 'mcp-session-id': id, ...headers } = response.headers;
      const isBound = typeof id === 'string' && !isOver && sessions.bind(owner, id);
      return isBound ? response : { ...response, headers };
    },
  };
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

  /** Answers requests of the server that the Upstream does not allow. */
  const createReply = (getSent: () => SentCall) => {
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
      void steps
        .post(sent, headers, text)
        .then(({ body }) => body.on('error', () => undefined).destroy())
        .catch(() => undefined)
        .finally(() => (pending -= 1));
    };
  };

  const prepare = (exchange: CallExchange, call: McpCall): SentCall => {
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
        reply: createReply(() => sent),
      },
    };
    return sent;
  };

  const pass = async (
    sent: SentCall,
    method: string,
    answer: { response: CloudResponse; message?: McpMessage },
  ): Promise<number> => {
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
      ...{ secret, answered, signal, passed },
      ...(filter && { filter }),
    });
    if (refused !== undefined) throw refused;
    return response.status;
  };

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
