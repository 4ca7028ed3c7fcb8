import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { authorizeHttpCall } from '../../calls/authorize-http-call.ts';
import { findHeaderFault } from '../../calls/call-request.ts';
import type { CallRun } from '../../calls/call-runs.ts';
import type { EndedCall } from '../../calls/ended-call.ts';
import { readHttpHeaders, selectHttpRequestHeaders } from '../../calls/http-headers.ts';
import { renderHttpRefusal } from '../../calls/http-refusals.ts';
import {
  parseHttpRoute,
  parseHttpTarget,
  type HttpRoute,
  type HttpTarget,
} from '../../calls/http-target.ts';
import { checkModels } from '../../calls/model-check.ts';
import type { AdmittedTasks, Task } from '../../contract/task.ts';
import type { HttpSecret, UpstreamRules } from '../../contract/upstream.ts';
import type { LocalKeyOwner } from '../../runs/local-keys.ts';
import { createBodyReader } from './body-steps.ts';
import {
  createExchangeHandler,
  createRunStep,
  endRunAfterCall,
  type HandleCall,
} from './call-exchange.ts';
import type { CallHandlerDeps } from './call-handler.ts';
import { createCallRecords, type CallExchange, type CallRecords } from './call-record.ts';
import { sendContinue, sendRefusal, type CloudResponse } from './call-responses.ts';
import type { IdentifyClient } from './http-identity.ts';
import { passHttpResponse } from './http-responses.ts';
import { refuse, RefusedCall, refuseUnjournaled, requireValue, toRefusal } from './refused-call.ts';
import { watchEnds } from './watch-ends.ts';

/** What calls of provider `http` need of the rest of the sidecar. */
export type HttpCallDeps = Omit<
  CallHandlerDeps,
  'dialect' | 'findKeys' | 'findService' | 'findOrigin' | 'send' | 'signText'
> & {
  readonly admitted: AdmittedTasks;
  /** For requests on loopback; a consumer's own socket needs no key. */
  readonly identifyClient: IdentifyClient;
  readonly send: (
    upstream: UpstreamRules,
    request: {
      readonly origin: string;
      readonly method: string;
      readonly path: string;
      readonly headers: ReadonlyMap<string, string>;
      readonly body: Buffer | Readable | null;
      readonly signal: AbortSignal;
    },
  ) => Promise<CloudResponse>;
};

type Headers = ReadonlyMap<string, string>;

/** A request whose consumer is known. */
type ReceivedCall = {
  readonly headers: Headers;
  readonly route: HttpRoute;
  readonly consumer: string;
};

/** A request that is within its task. */
type AllowedCall = ReceivedCall & {
  readonly run: CallRun;
  readonly secret: HttpSecret;
  readonly target: HttpTarget;
};

/** An upstream that refuses the secret gets another one at most so often. */
const REFRESH_MS = 60_000;

/**
 * Creates the handler of calls below `/t/<task>` and `/r/<run>`. Nothing reaches the upstream before the
 * call is within its task, and only its answer without the secret reaches the client.
 */
export const createHttpCallHandler = (deps: HttpCallDeps): HandleCall => {
  const records = createCallRecords(deps);
  const steps = createSteps(deps, records);
  const forward = createForward(deps, records);

  const handleCall = async (
    exchange: CallExchange,
    mounted: string | undefined,
  ): Promise<number> => {
    refuseUnjournaled(deps);
    const received = steps.identify(exchange, mounted);
    const entered = await steps.enterRun(exchange, received);
    return forward(exchange, steps.authorize(exchange, entered));
  };

  /** The client parses only errors of its API. */
  const getFormat = ({ record }: CallExchange) =>
    deps.admitted.tasks.find(({ name }) => name === (record.run?.task ?? record.owner?.task))
      ?.client ?? 'plain';

  const endFailed = (exchange: CallExchange, thrown: unknown): EndedCall => {
    const { incoming, outgoing, record } = exchange;
    const refusal = toRefusal(thrown);
    const { code } = refusal;
    const isRunEnded = record.run?.signal.aborted === true;
    const isBegun = outgoing.headersSent || outgoing.destroyed;
    const isSent = record.sentAt !== undefined && code !== 'body_too_large';
    const outcome = !isSent ? 'refused' : isBegun || isRunEnded ? 'cut' : 'failed';
    if (isBegun) {
      outgoing.destroy();
      const isClient = !isRunEnded && isClientGone(thrown);
      return records.end(record, { outcome, code: isClient ? 'client_closed' : code });
    }
    const isHead = incoming.method === 'HEAD';
    const rendered = renderHttpRefusal(refusal, { format: getFormat(exchange), isHead });
    return records.end(record, {
      outcome,
      code,
      status: sendRefusal(incoming, outgoing, rendered),
    });
  };

  return createExchangeHandler(deps, records, { handleCall, endFailed });
};

/** The client closed its connection: it aborts the request, or the pipeline finds it closed. */
const isClientGone = (thrown: unknown): boolean => {
  const { code, name } = thrown as { code?: unknown; name?: unknown };
  return name === 'AbortError' || code === 'ERR_STREAM_PREMATURE_CLOSE';
};

/** The steps of a call, in their order. Each throws a {@link RefusedCall} to end it. */
const createSteps = (deps: HttpCallDeps, records: CallRecords) => {
  const { admitted, getHost, identifyClient, identified } = deps;
  const enterRun = createRunStep(deps.resolveRun, records);

  const findTask = (name: string, consumer: string): Task =>
    admitted.tasks.find(
      (task) =>
        task.name === name && task.provider === 'http' && task.containers.includes(consumer),
    ) ?? refuse('route_unknown', `no task ${name} of provider http is declared for this container`);

  const findOwner = ({ kind, name }: HttpRoute, consumer: string): LocalKeyOwner => {
    if (kind === 'run') return { consumer, task: '', run: name };
    const { params } = findTask(name, consumer);
    return Object.keys(params).length === 0
      ? { consumer, task: name }
      : refuse(
          'request_malformed',
          `the task ${name} has params: start a run with POST /v1/tasks/${name}/runs and use its baseUrl`,
        );
  };

  return {
    identify: ({ incoming, record }: CallExchange, mounted: string | undefined): ReceivedCall => {
      const headers = requireValue(readHttpHeaders(incoming.rawHeaders));
      const fault = findHeaderFault(headers, getHost());
      if (fault !== undefined) throw new RefusedCall(fault);
      const route =
        parseHttpRoute(incoming.url ?? '') ??
        refuse('route_unknown', 'expected a path below /t/<task> or /r/<run>');
      const consumer =
        mounted ??
        identifyClient(headers) ??
        refuse(
          'key_required',
          'expected the content of the file /var/run/valetkey/token as key, or the socket /var/run/valetkey/gateway',
        );
      identified(incoming, consumer);
      const owner = findOwner(route, consumer);
      record.owner = owner;
      return { headers, route, consumer };
    },
    enterRun: async (exchange: CallExchange, call: ReceivedCall) => {
      const run = await enterRun(exchange);
      const secret =
        run.secret ?? refuse('route_unknown', `the run of task ${run.task} has no base URL`);
      return { ...call, run, secret };
    },
    authorize: (
      { incoming: { method = '' }, record }: CallExchange,
      call: ReceivedCall & { run: CallRun; secret: HttpSecret },
    ): AllowedCall => {
      const { run, secret, route } = call;
      record.operation = { service: 'http', name: method };
      const target = requireValue(parseHttpTarget(route.rest, secret.upstream));
      const { task: name, allow } = run;
      record.authorization = authorizeHttpCall({ method, target }, { name, allow });
      const { refusal } = record.authorization;
      if (refusal !== undefined) throw new RefusedCall(refusal);
      return { ...call, target };
    },
  };
};

/** Passes a body on, up to the limit of its Upstream. */
async function* limitBody(incoming: IncomingMessage, maxBytes: number): AsyncGenerator<Buffer> {
  let left = maxBytes;
  // The connection must stay open for the refusal.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    left -= (chunk as Buffer).length;
    if (left < 0) refuse('body_too_large', `expected a body of at most ${maxBytes} bytes`);
    yield chunk as Buffer;
  }
}

const hasBody = (headers: Headers): boolean =>
  headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) > 0;

/** Creates the last step: presents the secret, sends the request, and passes the answer on. */
const createForward = (deps: HttpCallDeps, records: CallRecords) => {
  const { clock, maxBodyBytes, send } = deps;
  const refreshed = new Map<string, number>();

  const readModelBody = async (exchange: CallExchange, call: AllowedCall): Promise<Buffer> => {
    const { secret, consumer, headers, target } = call;
    const limits = { ...deps, maxBodyBytes: Math.min(maxBodyBytes, secret.upstream.maxBodyBytes) };
    const body = await createBodyReader(limits, records)(exchange, consumer);
    const request = { body, headers, path: target.path };
    requireValue(checkModels(request, secret.upstream.models ?? []));
    return body;
  };

  const buildBody = (
    exchange: CallExchange,
    call: AllowedCall,
  ): null | Readable | Promise<Buffer> => {
    const { incoming, outgoing } = exchange;
    const { maxBodyBytes: limit, models } = call.secret.upstream;
    if (!hasBody(call.headers)) return null;
    if (Number(call.headers.get('content-length') ?? 0) > limit) {
      return refuse('body_too_large', `expected a body of at most ${limit} bytes`);
    }
    if (models !== undefined) return readModelBody(exchange, call);
    sendContinue(incoming, outgoing);
    return Readable.from(limitBody(incoming, limit), { objectMode: false });
  };

  const buildHeaders = ({ headers, secret }: AllowedCall, body: unknown): Headers => {
    const selected = selectHttpRequestHeaders(headers, secret.upstream.headers, secret.headers);
    const length = headers.get('content-length');
    if (Buffer.isBuffer(body)) return new Map([...selected, ['content-length', `${body.length}`]]);
    return body === null || length === undefined
      ? selected
      : new Map([...selected, ['content-length', length]]);
  };

  /** Ends a run whose secret the upstream refuses: the next run gets the secret of now. */
  const refresh = (run: CallRun): void => {
    const at = clock.monotonic();
    if (at - (refreshed.get(run.task) ?? -Infinity) < REFRESH_MS) return;
    refreshed.set(run.task, at);
    endRunAfterCall(run);
  };

  return async (exchange: CallExchange, call: AllowedCall): Promise<number> => {
    const { incoming, outgoing, record } = exchange;
    const { run, secret, target, route } = call;
    const { upstream } = secret;
    if (target.origin.startsWith('http:') && !upstream.allowHttp) {
      return refuse('upstream_untrusted', `expected https for upstream ${upstream.name}`);
    }
    const body = await buildBody(exchange, call);
    const { method = '' } = incoming;
    const { origin, wirePath: path } = target;
    const signal = watchEnds(run, outgoing);
    const headers = buildHeaders(call, body);
    record.sentAt = clock.monotonic();
    const response = await send(upstream, { origin, method, path, headers, body, signal });
    if (response.status === 401) refresh(run);
    const answered = {
      requestUrl: `${origin}${path}`,
      upstreamUrl: upstream.url,
      route: `/${route.kind === 'task' ? 't' : 'r'}/${route.name}`,
    };
    try {
      await passHttpResponse(response, outgoing, { secret, answered, signal });
    } catch (thrown) {
      if (thrown instanceof RefusedCall && thrown.refusal.code === 'secret_echoed')
        endRunAfterCall(run);
      throw thrown;
    }
    return response.status;
  };
};
