import type { BodyBuffers } from '../../calls/body-buffers.ts';
import { hashJson } from '../../calls/body-content.ts';
import { buildCallContent } from '../../calls/call-content.ts';
import type { CallRun } from '../../calls/call-runs.ts';
import { refuseCanary } from '../../calls/canaries.ts';
import { selectHttpContentHeaders, selectHttpRequestHeaders } from '../../calls/http-headers.ts';
import { splitQuery, type HttpRoute, type HttpTarget } from '../../calls/http-target.ts';
import type { Clock } from '../../contract/clock.ts';
import type { HttpSecret, McpRules } from '../../contract/upstream.ts';
import type { AnswerRules } from '../../mcp/answer-filter.ts';
import { selectMessageContent } from '../../mcp/message-content.ts';
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
  type McpPermission,
} from '../../mcp/permissions.ts';
import { writeMcpHeaders } from '../../mcp/request-headers.ts';
import { createMcpSessions, type SessionOwner } from '../../mcp/sessions.ts';
import { createToolPins, type ToolPins } from '../../mcp/tool-pins.ts';
import { buildToolsList, MAX_LIST_PAGES } from '../../mcp/tools-listing.ts';
import { createBodyReader } from './body-steps.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import type { CloudResponse } from './call-responses.ts';
import { createGateStep, type GateStepDeps } from './gate-step.ts';
import type { SendHttp } from './http-responses.ts';
import { readToolsList, type AnswerContext } from './mcp-answers.ts';
import { refuse, RefusedCall, requireValue } from './refused-call.ts';

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
export type SentCall = McpCall & {
  readonly exchange: CallExchange;
  readonly target: HttpTarget;
  readonly signal: AbortSignal;
  readonly answers: AnswerContext;
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

export const createAnswerRules = (
  { run, secret }: McpCall,
  pins: ToolPins | undefined,
): AnswerRules => ({
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

/** Sends a message to the server, as a request of its own. */
export type PostMessage = (
  sent: SentCall,
  headers: ReadonlyMap<string, string>,
  message: string,
) => Promise<CloudResponse>;

/** The steps that decide about one message; each throws a {@link RefusedCall} to end it. */
export type McpSteps = ReturnType<typeof createMcpSteps>;

export const createMcpSteps = (deps: McpCallDeps, records: CallRecords) => {
  const post = createPost(deps);
  return {
    getPins: createPinMemory(deps.clock.monotonic),
    post,
    readMessage: createMessageReader(deps, records),
    authorize: createAuthorization(deps, records, post),
    ...createSessionSteps(),
  };
};

const createPost =
  ({ send }: McpCallDeps): PostMessage =>
  ({ target, secret, signal }, headers, message) => {
    const { origin, wirePath: path } = target;
    const body = Buffer.from(message);
    return send(secret.upstream, {
      origin,
      method: 'POST',
      path,
      signal,
      body,
      headers: buildPostHeaders(headers, secret, body),
    });
  };

const createMessageReader =
  (deps: McpCallDeps, records: CallRecords) =>
  async (exchange: CallExchange, call: McpCall): Promise<McpMessage> => {
    const { maxBodyBytes } = call.secret.upstream;
    const limit = Math.min(deps.maxBodyBytes, maxBodyBytes, MAX_REQUEST_BYTES);
    const read = createBodyReader({ ...deps, maxBodyBytes: limit }, records);
    return requireValue(readClientMessage(await read(exchange, call.consumer)));
  };

/** Creates the check that the tools of a message are those that the Upstream pins. */
const createPinCheck = (records: CallRecords, post: PostMessage) => {
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

  return async (
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
};

const createAuthorization = (deps: McpCallDeps, records: CallRecords, post: PostMessage) => {
  const checkGates = createGateStep(deps, records);
  const checkPins = createPinCheck(records, post);
  /** @returns the headers of MCP to send */
  return async (sent: SentCall, message: McpMessage): Promise<ReadonlyMap<string, string>> => {
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
        origin: target.origin,
        method: 'POST',
        path: target.path,
        query: splitQuery(target),
        headers: selectContentHeaders(sent),
        body: hashJson(selectMessageContent(message)),
        permissions: record.authorization?.permissions ?? [],
      });
    const facts = { bytes: body.length, contentType: 'application/json', body, describe };
    await checkGates(sent.exchange, sent.run, facts);
    await checkPins(sent, message, needed);
    return requireValue(writeMcpHeaders(sent.headers, message));
  };
};

const createSessionSteps = () => {
  const sessions = createMcpSessions();
  return {
    checkSession: (call: McpCall): void => {
      const id = call.headers.get('mcp-session-id');
      if (id === undefined || sessions.isBound(getOwner(call), id)) return;
      refuse('session_unknown', 'no session with this ID belongs to this task');
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
