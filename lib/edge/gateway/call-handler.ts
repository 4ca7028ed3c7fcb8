import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../../async/body.ts';
import {
  authorizeCall,
  readForm,
  recognizeCall,
  type SigningService,
} from '../../calls/authorize-call.ts';
import type { BodyBuffers } from '../../calls/body-buffers.ts';
import { planBody, type BodyPlan } from '../../calls/body-plan.ts';
import { selectRequestHeaders } from '../../calls/call-headers.ts';
import type { CallOutcome } from '../../calls/call-outcome.ts';
import { isRefusalCode, type CallRefusal } from '../../calls/call-refusals.ts';
import {
  parseCall,
  verifyCall,
  type CallResult,
  type ParsedCall,
} from '../../calls/call-request.ts';
import type { CallRun, CallRuns } from '../../calls/call-runs.ts';
import { getPartition, type FindOrigin } from '../../calls/cloud-origins.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Operation, RecognizableRequest } from '../../operations/operation.ts';
import type { LocalKeys } from '../../runs/local-keys.ts';
import { sha256 } from '../../signing/canonical.ts';
import { signRequest } from '../../signing/sign.ts';
import type { AwsKeys, SignText } from '../../signing/signing-keys.ts';
import { buildFramedBody, buildPlainBody, type UpstreamBody } from './call-bodies.ts';
import { createCallRecords, type CallRecord } from './call-record.ts';
import { passResponse, respondRefused, type CloudResponse } from './call-responses.ts';

/** What the gateway needs of the rest of the sidecar. */
export type CallHandlerDeps = {
  /** @returns the only `Host` that is accepted: `127.0.0.1:9473` */
  readonly getHost: () => string;
  readonly dialect: 'aws' | 's3';
  readonly findKeys: LocalKeys['find'];
  readonly resolveRun: CallRuns['resolve'];
  /** @returns undefined for a signing name without a table */
  readonly findService: (signingName: string) => SigningService | undefined;
  readonly findOrigin: FindOrigin;
  readonly send: (request: {
    readonly origin: string;
    readonly method: string;
    readonly path: string;
    readonly headers: ReadonlyMap<string, string>;
    readonly body: UpstreamBody['body'];
    readonly signal: AbortSignal;
  }) => Promise<CloudResponse>;
  /** For local keys. */
  readonly signText: SignText;
  readonly buffers: Pick<BodyBuffers, 'reserve'>;
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  readonly createId: () => string;
  /** Called when the signature of a call is verified: its connection belongs to that consumer. */
  readonly identified: (incoming: IncomingMessage, consumer: string) => void;
  readonly begun: () => void;
  readonly report: (outcome: CallOutcome) => void;
};

/** Handles one call; never rejects. `consumer`: whose socket it came in by; absent: loopback. */
export type HandleCall = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  consumer?: string,
) => Promise<void>;

/** Thrown to leave a call at any step; holds nothing but the refusal. */
class RefusedCall extends Error {
  readonly refusal: CallRefusal;
  constructor(refusal: CallRefusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

const requireValue = <T>(result: CallResult<T>): T => {
  if (!result.ok) throw new RefusedCall(result.refusal);
  return result.value;
};

const refuse = (code: CallRefusal['code'], message: string): never => {
  throw new RefusedCall({ code, message });
};

/** What ended a call: one of our refusals, thrown or as the reason of an abort, or a cloud without response. */
const toRefusal = (thrown: unknown): CallRefusal => {
  if (thrown instanceof RefusedCall) return thrown.refusal;
  const { cause } = thrown as { cause?: unknown };
  for (const { code, message } of [thrown, cause ?? {}] as { code?: string; message?: string }[]) {
    if (code !== undefined && isRefusalCode(code)) return { code, message: message ?? '' };
  }
  return { code: 'upstream_unreachable', message: 'the cloud did not answer' };
};

/** DeleteObjects names its objects in the body; all else that S3 decides by is in the head. */
const needsBody = (plan: BodyPlan, { target }: RecognizableRequest): boolean =>
  plan.kind === 'buffer' || target.parameters.has('delete');

/** A call whose key is known and whose signature is not verified yet. */
type IdentifiedCall = {
  readonly parsed: ParsedCall;
  readonly keys: AwsKeys;
  readonly consumer: string;
  readonly service: SigningService;
  readonly plan: BodyPlan;
};

/** A call whose signature is verified. */
type VerifiedCall = IdentifiedCall & {
  /** Absent if the body goes to the cloud as it arrives. */
  readonly body?: Buffer;
};

/** A call that is within its task. */
type AllowedCall = VerifiedCall & { readonly run: CallRun; readonly origin: string };

/** One call and its connection. */
type Exchange = {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly record: CallRecord;
  /** Called once when the call has ended. */
  readonly releases: (() => void)[];
};

/**
 * Creates the handler of AWS calls. One call is read from top to bottom in `handleCall`: nothing
 * reaches the cloud before the signature is verified and the call is within its task.
 */
export const createCallHandler = (deps: CallHandlerDeps): HandleCall => {
  const records = createCallRecords(deps);
  const steps = createSteps(deps, records);

  const handleCall = async (exchange: Exchange, consumer: string | undefined): Promise<number> => {
    const identified = steps.identify(exchange, consumer);
    const verified = await steps.readAndVerify(exchange, identified);
    const operation = steps.recognize(exchange, verified);
    const run = await steps.enterRun(exchange);
    const allowed = steps.authorize(exchange, { ...verified, run }, operation);
    return steps.forward(exchange, allowed);
  };

  const endFailed = ({ incoming, outgoing, record }: Exchange, thrown: unknown): CallOutcome => {
    const isClosed = outgoing.destroyed;
    const isBegun = outgoing.headersSent;
    const refusal = toRefusal(thrown);
    const { code } = refusal;
    const isCut = record.run?.signal.aborted === true || isBegun || isClosed;
    const outcome =
      record.sentAt === undefined || code === 'checksum_mismatch' || code === 'chunks_malformed'
        ? 'refused'
        : isCut
          ? 'cut'
          : 'failed';
    if (isBegun || isClosed) {
      outgoing.destroy();
      const isClient = record.run?.signal.aborted !== true && isClosed;
      return records.end(record, { outcome, code: isClient ? 'client_closed' : code });
    }
    const status = respondRefused(incoming, outgoing, { id: record.id, refusal });
    return records.end(record, { outcome, code, status });
  };

  return async (incoming, outgoing, consumer) => {
    deps.begun();
    const exchange = { incoming, outgoing, record: records.begin(incoming), releases: [] };
    let outcome: CallOutcome;
    try {
      const status = await handleCall(exchange, consumer);
      outcome = records.end(exchange.record, { outcome: 'allowed', status });
    } catch (thrown) {
      outcome = endFailed(exchange, thrown);
    }
    for (const release of exchange.releases as (() => void)[]) release();
    deps.report(outcome);
  };
};

/** The steps of a call, in their order. Each throws a {@link RefusedCall} to end it. */
const createSteps = (deps: CallHandlerDeps, records: ReturnType<typeof createCallRecords>) => {
  const bodies = createBodySteps(deps, records);

  /** A key of another consumer does not exist on a consumer's own socket: the mount is the identity. */
  const identify = ({ incoming, record }: Exchange, consumer?: string): IdentifiedCall => {
    const { method = '', url = '', rawHeaders } = incoming;
    const parsed = requireValue(parseCall({ method, url, rawHeaders }, deps.getHost()));
    const { accessKeyId, scope } = parsed.authorization;
    const found = deps.findKeys(accessKeyId);
    if (found === undefined || (consumer !== undefined && found.owner.consumer !== consumer)) {
      return refuse('run_unknown', 'no run of this consumer has this access key');
    }
    record.owner = found.owner;
    const service =
      deps.findService(scope.service) ??
      refuse('operation_unknown', `no service is signed for as ${scope.service}`);
    record.service = scope.service;
    const plan = requireValue(planBody(parsed.request.headers, scope.service));
    return { parsed, keys: found.keys, consumer: found.owner.consumer, service, plan };
  };

  const readAndVerify = async (
    exchange: Exchange,
    identified: IdentifiedCall,
  ): Promise<VerifiedCall> => {
    const { parsed, keys, consumer, plan } = identified;
    const read = needsBody(plan, parsed.request)
      ? { body: await bodies.readWhole(exchange, consumer) }
      : {};
    const invalid = verifyCall(parsed, { keys, nowMs: deps.clock.now(), ...read }, deps.signText);
    if (invalid !== undefined) throw new RefusedCall(invalid);
    deps.identified(exchange.incoming, consumer);
    return { ...identified, ...read };
  };

  const toRecognizable = ({ parsed, body, service }: VerifiedCall): RecognizableRequest => {
    const { request } = parsed;
    const form = requireValue(readForm(service, request.headers, body));
    return { ...request, ...(form === undefined ? {} : { form }) };
  };

  const recognize = ({ record }: Exchange, call: VerifiedCall) => {
    const request = toRecognizable(call);
    const operation = requireValue(recognizeCall(call.service, request));
    record.operation = operation;
    return { operation, request };
  };

  const enterRun = async ({ record, releases }: Exchange): Promise<CallRun> => {
    if (record.owner === undefined) throw new Error('expected an identified call');
    const run = await records.wait(record, deps.resolveRun(record.owner));
    if ('code' in run) return refuse(run.code, run.message);
    record.run = run;
    releases.push(run.release);
    return run;
  };

  const authorize = (
    { record }: Exchange,
    call: VerifiedCall & { run: CallRun },
    { operation, request }: { operation: Operation; request: RecognizableRequest },
  ): AllowedCall => {
    const { service, body, run, parsed } = call;
    const { region, service: signingName } = parsed.authorization.scope;
    const { account } = run;
    const read = body === undefined ? {} : { body };
    record.authorized = requireValue(
      authorizeCall(
        service,
        { operation, request, partition: getPartition(region), region, account, ...read },
        { name: run.task, allow: run.allow },
      ),
    );
    const table = service.table.services.find(({ id }) => id === operation.service);
    if (table === undefined) throw new Error(`expected a table of ${operation.service}`);
    return {
      ...call,
      origin: requireValue(deps.findOrigin({ signingName, service: table, region })),
    };
  };

  return {
    identify,
    readAndVerify,
    recognize,
    enterRun,
    authorize,
    forward: createForward(deps, bodies),
  };
};

type BodySteps = ReturnType<typeof createBodySteps>;

/** How the bodies of calls are read and built. */
const createBodySteps = (
  { buffers, maxBodyBytes, dialect }: CallHandlerDeps,
  records: ReturnType<typeof createCallRecords>,
) => {
  const refuseLarge = (): never =>
    refuse('body_too_large', `expected a body of at most ${maxBodyBytes} bytes`);

  /** Memory is reserved before the first byte is read. */
  const reserve = async ({ incoming, releases }: Exchange, consumer: string): Promise<void> => {
    const { 'content-length': length, 'transfer-encoding': coding } = incoming.headers;
    const bytes = coding === undefined ? Number(length ?? 0) : maxBodyBytes;
    if (bytes > maxBodyBytes) refuseLarge();
    if (bytes === 0) return;
    const release =
      (await buffers.reserve(consumer, bytes)) ??
      refuse('overloaded', 'no memory for the body: too many bodies are read at this time');
    releases.push(release);
  };

  const readReserved = async (exchange: Exchange, consumer: string): Promise<Buffer> => {
    const { incoming, outgoing } = exchange;
    await reserve(exchange, consumer);
    if (incoming.destroyed) refuse('request_malformed', 'expected the rest of the body');
    if (incoming.headers.expect !== undefined) outgoing.writeContinue();
    const { kind, bytes } = await readBody(incoming, { maxBytes: maxBodyBytes });
    if (kind === 'too_large') return refuseLarge();
    return kind === 'complete'
      ? bytes
      : refuse('request_malformed', 'expected the rest of the body');
  };

  return {
    readWhole: (exchange: Exchange, consumer: string): Promise<Buffer> =>
      records.wait(exchange.record, readReserved(exchange, consumer)),
    buildBody: ({ plan, body }: VerifiedCall, incoming: IncomingMessage): UpstreamBody => {
      if (plan.kind === 'chunked' && body === undefined) {
        return (dialect === 's3' ? buildPlainBody : buildFramedBody)(incoming, plan.format);
      }
      if (plan.kind === 'stream' && body === undefined) {
        const { length, payloadHash } = plan;
        const headers = new Map([['content-length', String(length)]]);
        return { body: length === 0 ? null : incoming, payloadHash, headers };
      }
      const bytes = body ?? Buffer.alloc(0);
      const headers = new Map([['content-length', String(bytes.length)]]);
      return { body: bytes.length === 0 ? null : bytes, payloadHash: sha256(bytes), headers };
    },
  };
};

/** Aborted when the client has closed its connection. */
const watchClosed = (outgoing: ServerResponse): AbortSignal => {
  const closed = new AbortController();
  if (outgoing.destroyed) closed.abort();
  else outgoing.once('close', () => closed.abort());
  return closed.signal;
};

/** Creates the last step: signs an allowed call, sends it, and passes the response on. */
const createForward = (deps: CallHandlerDeps, { buildBody }: BodySteps) => {
  const sign = ({ parsed, run, origin }: AllowedCall, upstream: UpstreamBody) => {
    const { request, authorization } = parsed;
    const { region, service } = authorization.scope;
    const headers = new Map([
      ...selectRequestHeaders(request.headers, new URL(origin).host),
      ...upstream.headers,
    ]);
    const { payloadHash } = upstream;
    return signRequest(
      { ...request, headers },
      { keys: run.keys, region, service, payloadHash, nowMs: deps.clock.now() },
      run.signText,
    );
  };

  return async ({ incoming, outgoing, record }: Exchange, call: AllowedCall): Promise<number> => {
    if (incoming.headers.expect !== undefined && call.body === undefined) outgoing.writeContinue();
    const { run, origin, parsed } = call;
    const signal = AbortSignal.any([run.signal, watchClosed(outgoing)]);
    const upstream = buildBody(call, incoming);
    const signed = sign(call, upstream);
    record.sentAt = deps.clock.monotonic();
    const { method } = parsed.request;
    const response = await deps.send({ ...signed, origin, method, body: upstream.body, signal });
    if (isRedirect(response)) {
      response.body.destroy();
      refuse('redirect_refused', `the cloud answered ${response.status} with another location`);
    }
    const onExpired = (): void => {
      // The end of the run must not cut the response that reports it.
      run.release();
      run.expire();
    };
    await passResponse(response, outgoing, { signal, onExpired });
    return response.status;
  };
};

const isRedirect = ({ status, headers }: { status: number; headers: CloudResponse['headers'] }) =>
  status >= 300 && status < 400 && headers['location'] !== undefined;
