import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  filterServerMessage,
  planMcpAnswer,
  type AnswerRules,
} from '../../lib/mcp/answer-filter.ts';
import { createEventStreamFilter } from '../../lib/mcp/event-stream.ts';
import { readClientMessage, serializeMessage, type McpMessage } from '../../lib/mcp/messages.ts';
import { evaluateMcpMessage } from '../../lib/mcp/permissions.ts';
import { renderMcpRefusal } from '../../lib/mcp/refusal-rendering.ts';
import { refuseMcp, type McpRefusal, type McpResult } from '../../lib/mcp/refusals.ts';
import { writeMcpHeaders } from '../../lib/mcp/request-headers.ts';
import { createMcpSessions } from '../../lib/mcp/sessions.ts';
import { buildToolsList, findNextCursor, MAX_LIST_PAGES } from '../../lib/mcp/tools-listing.ts';

const OWNER = { consumer: 'agent', task: 'docs' };
const PASSED = ['accept', 'content-type', 'last-event-id', 'mcp-session-id'];

type Body = AsyncIterable<Uint8Array>;

const readAll = async (body: Body): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const readHeaders = ({ headers }: IncomingMessage): Map<string, string> =>
  new Map(
    Object.entries(headers).flatMap(([name, value]) =>
      typeof value === 'string' && (PASSED.includes(name) || name.startsWith('mcp-'))
        ? [[name, value]]
        : [],
    ),
  );

export type McpProxy = {
  readonly url: string;
  /** Methods that reached the server, the gateway's own included. */
  readonly sent: readonly string[];
  readonly close: () => Promise<void>;
};

/**
 * Starts a proxy between an MCP client and a server that does what the gateway does with MCP: each decision
 * is one of `lib/mcp`.
 */
export const startMcpProxy = async (upstream: string, rules: AnswerRules): Promise<McpProxy> => {
  const sessions = createMcpSessions();
  const sent: string[] = [];

  const post = (headers: ReadonlyMap<string, string>, body: string): Promise<Response> =>
    fetch(upstream, { method: 'POST', headers: Object.fromEntries(headers), body });

  const reply = (headers: ReadonlyMap<string, string>, text: string): void => {
    sent.push('reply');
    void post(headers, text).then((answer) => answer.body?.cancel());
  };

  const filter = (message: Uint8Array) => filterServerMessage(message, rules);

  /** @returns the messages of an answer that a client would see */
  const readMessages = async (answer: Response): Promise<readonly string[]> => {
    const body = Buffer.from(await answer.arrayBuffer());
    if (answer.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      const filtered = filter(body);
      return filtered.ok && filtered.value.forward !== undefined ? [filtered.value.forward] : [];
    }
    const output = createEventStreamFilter(filter).push(body);
    const events = output.ok ? output.value.forward.split('\n') : [];
    return events.flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []));
  };

  /** Lists all pages, so that the pins know the server's tools. */
  const listTools = async (
    headers: ReadonlyMap<string, string>,
    call: McpMessage,
  ): Promise<void> => {
    let cursor: string | undefined;
    for (let page = 0; page < MAX_LIST_PAGES; page += 1) {
      const list = buildToolsList(call, cursor);
      const written = writeMcpHeaders(headers, list);
      if (!written.ok) return;
      sent.push('tools/list');
      const messages = await readMessages(await post(written.value, serializeMessage(list)));
      cursor = messages.map(findNextCursor).find((found) => found !== undefined);
      if (cursor === undefined) return;
    }
  };

  const refuse = (response: ServerResponse, refusal: McpRefusal, message?: McpMessage): void => {
    const { status, headers, body } = renderMcpRefusal(refusal, message);
    response.writeHead(status, headers).end(body);
  };

  const isSessionKnown = (headers: ReadonlyMap<string, string>): boolean => {
    const session = headers.get('mcp-session-id');
    return session === undefined || sessions.isBound(OWNER, session);
  };

  /** @returns headers of the request, if the message may be sent */
  const decide = async (
    headers: ReadonlyMap<string, string>,
    message: McpMessage,
  ): Promise<McpResult<ReadonlyMap<string, string>>> => {
    if (!isSessionKnown(headers)) return refuseMcp('session_unknown', 'no such session');
    const permissions = evaluateMcpMessage(message, rules.scope);
    if (!permissions.ok) return permissions;
    for (const { kind, name } of permissions.value) {
      if (kind !== 'tools' || rules.pins === undefined) continue;
      if (rules.pins.isListNeeded(name)) await listTools(headers, message);
      const pinned = rules.pins.check(name);
      if (!pinned.ok) return pinned;
    }
    return writeMcpHeaders(headers, message);
  };

  const passEvents = async (
    answer: Response,
    response: ServerResponse,
    headers: ReadonlyMap<string, string>,
  ): Promise<void> => {
    const stream = createEventStreamFilter(filter);
    for await (const chunk of answer.body as unknown as Body) {
      const output = stream.push(chunk);
      if (!output.ok) return void response.destroy();
      response.write(output.value.forward);
      for (const text of output.value.replies) reply(headers, text);
    }
    response.end();
  };

  const passAnswer = async (
    answer: Response,
    response: ServerResponse,
    headers: ReadonlyMap<string, string>,
  ): Promise<void> => {
    const session = answer.headers.get('mcp-session-id');
    if (session !== null) sessions.bind(OWNER, session);
    const contentType = answer.headers.get('content-type') ?? undefined;
    const plan = planMcpAnswer({ status: answer.status, contentType });
    if (!plan.ok) {
      refuse(response, plan.refusal);
      return;
    }
    for (const name of ['content-type', 'mcp-session-id']) {
      const value = answer.headers.get(name);
      if (value !== null) response.setHeader(name, value);
    }
    if (plan.value === 'events') {
      response.writeHead(answer.status).flushHeaders();
      await passEvents(answer, response, headers);
      return;
    }
    const body = Buffer.from(await answer.arrayBuffer());
    if (plan.value === 'text') return void response.writeHead(answer.status).end(body);
    const filtered = filter(body);
    if (filtered.ok) response.writeHead(answer.status).end(filtered.value.forward ?? '');
    else refuse(response, filtered.refusal);
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const headers = readHeaders(request);
    if (request.method !== 'POST') {
      sent.push(request.method ?? '');
      const abort = new AbortController();
      response.on('close', () => {
        abort.abort();
      });
      const answer = await fetch(upstream, {
        method: request.method ?? '',
        headers: Object.fromEntries(headers),
        signal: abort.signal,
      });
      await passAnswer(answer, response, headers);
      return;
    }
    const message = readClientMessage(await readAll(request));
    if (!message.ok) {
      refuse(response, message.refusal);
      return;
    }
    const written = await decide(headers, message.value);
    if (!written.ok) {
      refuse(response, written.refusal, message.value);
      return;
    }
    sent.push(message.value.kind === 'response' ? 'response' : message.value.method);
    const answer = await post(written.value, serializeMessage(message.value));
    await passAnswer(answer, response, written.value);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    sent,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
};
