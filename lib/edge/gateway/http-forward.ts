import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { BodyBuffers } from '../../calls/body-buffers.ts';
import type { CallRun } from '../../calls/call-runs.ts';
import { selectHttpRequestHeaders } from '../../calls/http-headers.ts';
import type { HttpRoute, HttpTarget } from '../../calls/http-target.ts';
import { checkModels } from '../../calls/model-check.ts';
import type { Clock } from '../../contract/clock.ts';
import type { HttpSecret } from '../../contract/upstream.ts';
import type { AllowedGitCall } from './git-calls.ts';
import { createAnswerMeter } from './answer-meter.ts';
import { createBodyReader } from './body-steps.ts';
import { endRunAfterCall } from './call-exchange.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import { sendContinue } from './call-responses.ts';
import { passHttpResponse, type SendHttp } from './http-responses.ts';
import { refuse, RefusedCall, requireValue } from './refused-call.ts';
import { watchEnds } from './watch-ends.ts';

type Headers = ReadonlyMap<string, string>;

/** A request whose consumer is known. */
export type ReceivedCall = {
  readonly headers: Headers;
  readonly route: HttpRoute;
  readonly consumer: string;
};

/** A request that is within its task. */
export type AllowedCall = ReceivedCall & {
  readonly run: CallRun;
  readonly secret: HttpSecret;
  readonly target: HttpTarget;
  /** The body from its beginning, where some of it was read for the decision. */
  readonly source?: AsyncIterable<Buffer>;
  /** The whole body, where people are asked about it. */
  readonly body?: Buffer;
  /** Of a push: its commands, and what refuses it as its client expects. */
  readonly push?: AllowedGitCall['push'];
};

export type HttpForwardDeps = {
  readonly buffers: Pick<BodyBuffers, 'reserve'>;
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  readonly send: SendHttp;
  /** The upstream refused the secret of a run. */
  readonly onUnauthorized: (run: CallRun) => void;
};

/** Passes a body on, up to the limit of its Upstream. */
async function* limitBody(source: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let left = maxBytes;
  for await (const chunk of source) {
    left -= chunk.length;
    if (left < 0) refuse('body_too_large', `expected a body of at most ${maxBytes} bytes`);
    yield chunk;
  }
}

/** The connection must stay open for the refusal. */
const readIncoming = (incoming: IncomingMessage): AsyncIterable<Buffer> =>
  incoming.iterator({ destroyOnReturn: false });

export const hasBody = (headers: Headers): boolean =>
  headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) > 0;

/** Creates the last step: presents the secret, sends the request, and passes the answer on. */
export const createHttpForward = (deps: HttpForwardDeps, records: CallRecords) => {
  const { clock, maxBodyBytes, send, onUnauthorized } = deps;

  const readModelBody = async (exchange: CallExchange, call: AllowedCall): Promise<Buffer> => {
    const { secret, consumer, headers, target } = call;
    const limits = { ...deps, maxBodyBytes: Math.min(maxBodyBytes, secret.upstream.maxBodyBytes) };
    const body = call.body ?? (await createBodyReader(limits, records)(exchange, consumer));
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
    if (call.body !== undefined) return Promise.resolve(call.body);
    if (call.source === undefined) sendContinue(incoming, outgoing);
    const source = call.source ?? readIncoming(incoming);
    return Readable.from(limitBody(source, limit), { objectMode: false });
  };

  const buildHeaders = ({ headers, secret }: AllowedCall, body: unknown): Headers => {
    const selected = selectHttpRequestHeaders(headers, secret.upstream.headers, secret.headers);
    const length = headers.get('content-length');
    if (Buffer.isBuffer(body)) return new Map([...selected, ['content-length', `${body.length}`]]);
    return body === null || length === undefined
      ? selected
      : new Map([...selected, ['content-length', length]]);
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
    if (response.status === 401) onUnauthorized(run);
    const answered = {
      requestUrl: `${origin}${path}`,
      upstreamUrl: upstream.url,
      route: `/${route.kind === 'task' ? 't' : 'r'}/${route.name}`,
    };
    const meter = createAnswerMeter(run.meter, response, {
      method,
      headers: call.headers,
      requestBytes: Number(call.headers.get('content-length') ?? incoming.socket.bytesRead),
    });
    try {
      const { passed } = meter;
      await passHttpResponse(response, outgoing, { secret, answered, signal, passed });
      meter.end(true);
    } catch (thrown) {
      meter.end(false);
      if (thrown instanceof RefusedCall && thrown.refusal.code === 'secret_echoed')
        endRunAfterCall(run);
      throw thrown;
    }
    return response.status;
  };
};
