import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { readBody } from '../../async/body.ts';
import {
  authorizeCall,
  readForm,
  recognizeCall,
  type SigningService,
} from '../../calls/authorize-call.ts';
import { planBody, type BodyPlan } from '../../calls/body-plan.ts';
import { selectRequestHeaders, selectResponseHeaders } from '../../calls/call-headers.ts';
import { isRefusalCode, type CallRefusal } from '../../calls/call-refusals.ts';
import { parseCall, verifyCall, type ParsedCall } from '../../calls/call-request.ts';
import { chooseErrorFormat, renderRefusal } from '../../calls/refusal-rendering.ts';
import type { TaskStatement } from '../../contract/task.ts';
import type { Operation, RecognizableRequest } from '../../operations/operation.ts';
import type { LocalKeyOwner, LocalKeys } from '../../runs/local-keys.ts';
import { sha256 } from '../../signing/canonical.ts';
import { signRequest } from '../../signing/sign.ts';
import type { AwsKeys, SignText } from '../../signing/signing-keys.ts';
import { buildFramedBody, buildPlainBody, type UpstreamBody } from './call-bodies.ts';

/** A run as far as a call needs it. */
export type CallRun = {
  readonly task: string;
  readonly allow: readonly TaskStatement[];
  /** Of the role; empty where a private cloud has no accounts. */
  readonly account: string;
  /** Of the cloud: they never leave the sidecar. */
  readonly keys: AwsKeys;
  /** Aborted when the run ends, with a {@link CallRefusal} as its reason: the call is cut on both sides. */
  readonly signal: AbortSignal;
};

export type CallOutcome = {
  readonly id: string;
  readonly owner?: LocalKeyOwner;
  readonly operation?: Operation;
  readonly outcome: 'allowed' | 'refused' | 'cut';
  readonly code?: string;
  readonly status?: number;
};

/** What the gateway needs of the rest of the sidecar. */
export type CallHandlerDeps = {
  /** The only `Host` that is accepted: `127.0.0.1:9473`. */
  readonly host: string;
  readonly dialect: 'aws' | 's3';
  readonly partition: string;
  readonly findKeys: LocalKeys['find'];
  /** The current run of a task, started if there is none. */
  readonly resolveRun: (owner: LocalKeyOwner) => Promise<CallRun | CallRefusal>;
  /** @returns undefined for a signing name without a table */
  readonly findService: (signingName: string) => SigningService | undefined;
  /** @returns scheme, host and port, or undefined for a region outside the platform's list */
  readonly findOrigin: (signingName: string, region: string) => string | undefined;
  readonly send: (request: {
    readonly origin: string;
    readonly method: string;
    readonly path: string;
    readonly headers: ReadonlyMap<string, string>;
    readonly body: UpstreamBody['body'];
    readonly signal: AbortSignal;
  }) => Promise<{
    readonly status: number;
    readonly headers: Parameters<typeof selectResponseHeaders>[0];
    readonly body: NodeJS.ReadableStream;
  }>;
  readonly signText: SignText;
  readonly maxBodyBytes: number;
  readonly now: () => number;
  readonly createId: () => string;
  readonly report: (outcome: CallOutcome) => void;
};

/** Thrown to leave a call at any step; holds nothing but the refusal. */
class RefusedCall extends Error {
  readonly refusal: CallRefusal;
  constructor(refusal: CallRefusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

const requireValue = <T>(
  result: { ok: true; value: T } | { ok: false; refusal: CallRefusal },
): T => {
  if (!result.ok) throw new RefusedCall(result.refusal);
  return result.value;
};

const refuse = (code: CallRefusal['code'], message: string): never => {
  throw new RefusedCall({ code, message });
};

/** DeleteObjects names its objects in the body; all else that S3 decides by is in the head. */
const needsBody = (plan: BodyPlan, { target }: RecognizableRequest): boolean =>
  plan.kind === 'buffer' || target.parameters.has('delete');

/**
 * Creates the handler of AWS calls. One call is read from top to bottom in {@link handleCall}: nothing
 * reaches the cloud before the signature is verified and the call is within its task.
 */
export const createCallHandler = (deps: CallHandlerDeps) => {
  const readWhole = async (incoming: IncomingMessage): Promise<Buffer> => {
    const { kind, bytes } = await readBody(incoming, { maxBytes: deps.maxBodyBytes });
    if (kind === 'too_large') {
      refuse('body_too_large', `expected a body of at most ${deps.maxBodyBytes} bytes`);
    }
    if (kind === 'incomplete') refuse('request_malformed', 'expected the rest of the body');
    return bytes;
  };

  const resolveRun = async (owner: LocalKeyOwner): Promise<CallRun> => {
    const run = await deps.resolveRun(owner);
    return 'code' in run ? refuse(run.code, run.message) : run;
  };

  const buildBody = (
    plan: BodyPlan,
    body: Buffer | undefined,
    incoming: IncomingMessage,
  ): UpstreamBody => {
    if (plan.kind === 'chunked' && body === undefined) {
      const build = deps.dialect === 's3' ? buildPlainBody : buildFramedBody;
      return build(incoming, plan.format);
    }
    if (plan.kind === 'stream' && body === undefined) {
      const { length, payloadHash } = plan;
      const headers = new Map([['content-length', String(length)]]);
      return { body: length === 0 ? null : incoming, payloadHash, headers };
    }
    const bytes = body ?? Buffer.alloc(0);
    const headers = new Map([['content-length', String(bytes.length)]]);
    return { body: bytes.length === 0 ? null : bytes, payloadHash: sha256(bytes), headers };
  };

  const send = async (
    { request, authorization }: ParsedCall,
    {
      run,
      origin,
      upstream,
      signal,
    }: {
      run: CallRun;
      origin: string;
      upstream: UpstreamBody;
      signal: AbortSignal;
    },
  ) => {
    const headers = new Map([
      ...selectRequestHeaders(request.headers, new URL(origin).host),
      ...upstream.headers,
    ]);
    const signed = signRequest(
      { ...request, headers },
      {
        keys: run.keys,
        region: authorization.scope.region,
        service: authorization.scope.service,
        payloadHash: upstream.payloadHash,
        nowMs: deps.now(),
      },
      deps.signText,
    );
    return deps.send({ ...signed, origin, method: request.method, body: upstream.body, signal });
  };

  const handleCall = async (
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    call: { id: string; owner?: LocalKeyOwner; operation?: Operation },
  ): Promise<void> => {
    const { method = '', url = '', rawHeaders } = incoming;
    const parsed = requireValue(parseCall({ method, url, rawHeaders }, deps.host));
    const { request, authorization } = parsed;
    const { service: signingName, region } = authorization.scope;
    const found =
      deps.findKeys(authorization.accessKeyId) ??
      refuse('run_unknown', 'no run of this pod has this access key');
    call.owner = found.owner;
    const service =
      deps.findService(signingName) ??
      refuse('operation_unknown', `no service is signed for as ${signingName}`);
    const plan = requireValue(planBody(request.headers, signingName));
    const body = needsBody(plan, request) ? await readWhole(incoming) : undefined;
    const invalid = verifyCall(
      parsed,
      { keys: found.keys, nowMs: deps.now(), ...(body === undefined ? {} : { body }) },
      deps.signText,
    );
    if (invalid !== undefined) throw new RefusedCall(invalid);
    const form = requireValue(readForm(service, request.headers, body));
    const recognizable = { ...request, ...(form === undefined ? {} : { form }) };
    const operation = requireValue(recognizeCall(service, recognizable));
    call.operation = operation;
    const run = await resolveRun(found.owner);
    const { partition } = deps;
    const { account } = run;
    requireValue(
      authorizeCall(
        service,
        {
          operation,
          request: recognizable,
          partition,
          region,
          account,
          ...(body === undefined ? {} : { body }),
        },
        { name: run.task, allow: run.allow },
      ),
    );
    const origin =
      deps.findOrigin(signingName, region) ??
      refuse('region_outside', `region ${region} is not one of the platform's`);
    if (incoming.headers.expect !== undefined && body === undefined) outgoing.writeContinue();
    const closed = new AbortController();
    outgoing.once('close', () => closed.abort());
    const signal = AbortSignal.any([run.signal, closed.signal]);
    const upstream = buildBody(plan, body, incoming);
    const response = await send(parsed, { run, origin, upstream, signal });
    if (response.status >= 300 && response.status < 400 && response.headers['location']) {
      refuse('redirect_refused', `the cloud answered ${response.status} with another location`);
    }
    outgoing.writeHead(response.status, selectResponseHeaders(response.headers));
    await pipeline(response.body, outgoing, { signal });
    deps.report({ ...call, outcome: 'allowed', status: response.status });
  };

  const respondRefused = (
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { id, refusal }: { id: string; refusal: CallRefusal },
  ): void => {
    const format = chooseErrorFormat(incoming.headers, incoming.url);
    const isHead = incoming.method === 'HEAD';
    const { status, headers, body } = renderRefusal(refusal, { format, requestId: id, isHead });
    // The rest of a body that was not read must not be taken for another request.
    outgoing.writeHead(status, { ...headers, connection: 'close', 'content-length': body.length });
    outgoing.end(body);
  };

  /** What ended a call: one of our refusals, thrown or as the reason of an abort, or a cloud without response. */
  const toRefusal = (thrown: unknown): CallRefusal => {
    if (thrown instanceof RefusedCall) return thrown.refusal;
    const { cause } = thrown as { cause?: unknown };
    for (const { code, message } of [thrown, cause ?? {}] as {
      code?: string;
      message?: string;
    }[]) {
      if (code !== undefined && isRefusalCode(code)) return { code, message: message ?? '' };
    }
    return { code: 'upstream_unreachable', message: 'the cloud did not answer' };
  };

  return async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const call: { id: string; owner?: LocalKeyOwner; operation?: Operation } = {
      id: deps.createId(),
    };
    try {
      await handleCall(incoming, outgoing, call);
    } catch (thrown) {
      const refusal = toRefusal(thrown);
      if (outgoing.headersSent || outgoing.destroyed) {
        deps.report({ ...call, outcome: 'cut' });
        outgoing.destroy();
      } else {
        deps.report({ ...call, outcome: 'refused', code: refusal.code });
        respondRefused(incoming, outgoing, { id: call.id, refusal });
      }
    }
  };
};
