import type { IncomingMessage } from 'node:http';
import { createPieceList } from '../../async/piece-list.ts';
import {
  authorizeGitCall,
  checkPushHeaders,
  isCommandAllowed,
} from '../../calls/git-call-authorization.ts';
import { refuseCanary } from '../../calls/canaries.ts';
import type { CallAuthorization } from '../../calls/call-authorization.ts';
import type { CallRefusal } from '../../calls/call-refusals.ts';
import { createCommandReader, type PushHead } from '../../calls/git-commands.ts';
import { recognizeGitRequest, type GitRequest } from '../../calls/git-request.ts';
import { parseHttpTarget, type HttpRoute, type HttpTarget } from '../../calls/http-target.ts';
import { renderPushReport } from '../../calls/push-report.ts';
import type { RenderedRefusal } from '../../calls/refusal-rendering.ts';
import type { CallRun } from '../../calls/call-runs.ts';
import type { UpstreamRules } from '../../contract/upstream.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import { sendContinue } from './call-responses.ts';
import { refuse, RefusedCall, requireValue } from './refused-call.ts';

/** A push that was refused after its commands were read; `rendered` is what the client parses. */
export class RefusedPush extends RefusedCall {
  readonly rendered: RenderedRefusal;
  constructor(refusal: CallRefusal, rendered: RenderedRefusal) {
    super(refusal);
    this.rendered = rendered;
  }
}

type GitCall = {
  readonly headers: ReadonlyMap<string, string>;
  readonly route: HttpRoute;
  readonly run: CallRun;
  readonly upstream: UpstreamRules;
};

/** A request of Git that is within its task. */
export type AllowedGitCall = {
  readonly target: HttpTarget;
  /** Of a push: its body from the beginning, although its head was read already. */
  readonly source?: AsyncIterable<Buffer>;
  readonly push?: {
    readonly commands: PushHead['commands'];
    /** Refuses every ref of the push in its own report. It never resolves. */
    readonly refuse: (refusal: CallRefusal) => Promise<never>;
  };
};

type Pieces = AsyncIterator<Buffer, undefined>;

/** The beginning of a push, and the rest of its body. */
type ReadPush = {
  readonly head: PushHead;
  readonly begin: Buffer;
  readonly rest: Pieces;
};

const SMART_PATH = /\/(?:info\/refs|git-(?:upload|receive)-pack)$/;

/** Whether the client is Git, which asks for a key only after a challenge of scheme Basic. */
export const isGitUrl = (url: string): boolean => SMART_PATH.test(url.split('?', 1)[0] ?? '');

const recognize = (
  { method = '' }: IncomingMessage,
  { route, upstream }: GitCall,
): { request: GitRequest; target: HttpTarget } => {
  const target = requireValue(parseHttpTarget(route.rest, upstream));
  const mark = route.rest.indexOf('?');
  const [path, query] =
    mark < 0 ? [route.rest, ''] : [route.rest.slice(0, mark), route.rest.slice(mark + 1)];
  return { target, request: requireValue(recognizeGitRequest({ method, path, query })) };
};

/** @returns undefined at the end of the body, and if the client has closed its connection */
const readNext = (rest: Pieces): Promise<Buffer | undefined> =>
  rest.next().then(
    ({ value }) => value,
    () => undefined,
  );

const readPush = async (incoming: IncomingMessage): Promise<ReadPush> => {
  const readPiece = createCommandReader();
  const pieces = createPieceList();
  // The connection must stay open for the refusal.
  const rest = incoming.iterator({ destroyOnReturn: false }) as Pieces;
  for (;;) {
    const piece =
      (await readNext(rest)) ?? refuse('request_malformed', 'push: expected the rest of commands');
    pieces.push(piece);
    const head = requireValue(readPiece(piece));
    if (head !== undefined) return { head, begin: Buffer.concat(pieces.list()), rest };
  }
};

async function* joinBody({ begin, rest }: ReadPush): AsyncGenerator<Buffer> {
  yield begin;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** Git reads a report of refs only after it has sent its pack. */
const readToEnd = async (push: ReadPush, maxBytes: number): Promise<boolean> => {
  let left = maxBytes;
  for await (const { length } of joinBody(push)) {
    left -= length;
    if (left < 0) return false;
  }
  return true;
};

const refusePush = async (
  refusal: CallRefusal,
  push: ReadPush,
  {
    call: { run, upstream },
    request,
    isWhole = false,
  }: {
    call: GitCall;
    request: GitRequest;
    /** Whether the refusal is about every ref. */
    isWhole?: boolean;
  },
): Promise<never> => {
  const { code, message } = refusal;
  const repository = { upstream: upstream.name, repository: request.repository };
  const rendered = renderPushReport(push.head, {
    code,
    reject: (command) =>
      !isWhole && isCommandAllowed(command, repository, { name: run.task, allow: run.allow })
        ? `valetkey: another ref of this push is refused (${code})`
        : `valetkey: ${message} (${code})`,
  });
  const isRead = rendered !== undefined && (await readToEnd(push, upstream.maxBodyBytes));
  throw isRead ? new RefusedPush(refusal, rendered) : new RefusedCall(refusal);
};

/**
 * Creates the decision on a request of Git's smart HTTP protocol. The commands of a push are read before
 * anything of it reaches the upstream.
 */
export const createGitAuthorization = (records: CallRecords) => {
  const decide = (
    { record }: CallExchange,
    { run, upstream }: GitCall,
    given: Omit<Parameters<typeof authorizeGitCall>[0], 'upstream'>,
  ): CallAuthorization => {
    const { task: name, allow } = run;
    const decision = authorizeGitCall({ ...given, upstream: upstream.name }, { name, allow });
    const authorization = refuseCanary(run, decision);
    record.authorization = authorization;
    return authorization;
  };

  /** @throws RefusedCall */
  return async (exchange: CallExchange, call: GitCall): Promise<AllowedGitCall> => {
    const { incoming, outgoing, record } = exchange;
    const { request, target } = recognize(incoming, call);
    record.operation = { service: 'git', name: request.service };
    const { refusal } = decide(exchange, call, { request });
    if (refusal !== undefined) throw new RefusedCall(refusal);
    if (request.service !== 'receive-pack' || request.step !== 'rpc') return { target };
    requireValue(checkPushHeaders(call.headers));
    sendContinue(incoming, outgoing);
    const push = await records.wait(record, readPush(incoming));
    const refused = decide(exchange, call, { request, commands: push.head.commands }).refusal;
    if (refused !== undefined) {
      return refusePush(records.note(record, refused), push, { call, request });
    }
    return {
      target,
      source: joinBody(push),
      push: {
        commands: push.head.commands,
        refuse: (given) =>
          refusePush(records.note(record, given), push, { call, request, isWhole: true }),
      },
    };
  };
};
