import type { IncomingMessage } from 'node:http';
import { createLruCache } from '../../async/lru-cache.ts';
import {
  authorizeCall,
  readForm,
  recognizeCall,
  type SigningService,
} from '../../calls/call-authorization.ts';
import { planBody, type BodyPlan } from '../../calls/body-plan.ts';
import { selectContentHeaders, selectRequestHeaders } from '../../calls/call-headers.ts';
import { parseCall, verifyCall, type ParsedCall } from '../../calls/call-request.ts';
import { hashAwsBody, type HashedBody } from '../../calls/body-content.ts';
import { buildCallContent, compareEntries } from '../../calls/call-content.ts';
import { refuseCanary } from '../../calls/canaries.ts';
import type { CallRun, CallRuns } from '../../calls/call-runs.ts';
import { getPartition, type FindOrigin } from '../../calls/cloud-origins.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Operation, RecognizableRequest } from '../../operations/operation.ts';
import type { LocalKeys } from '../../runs/local-keys.ts';
import { formatRequestTarget, UNSIGNED_PAYLOAD } from '../../signing/canonical.ts';
import { signRequest } from '../../signing/sign.ts';
import type { AwsKeys, SignText } from '../../signing/signing-keys.ts';
import { createBodySteps, type BodyStepDeps, type BodySteps } from './body-steps.ts';
import type { UpstreamBody } from './call-bodies.ts';
import { createRunStep, endRunAfterCall } from './call-exchange.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import {
  passResponse,
  sendContinue,
  type Forwarding,
  type ResponseReceiver,
} from './call-responses.ts';
import { createGateStep, type GateStepDeps } from './gate-step.ts';
import { refuse, RefusedCall, requireValue } from './refused-call.ts';

/** What the steps of a call need of the rest of the sidecar. */
export type CallStepDeps = BodyStepDeps &
  GateStepDeps & {
    /** @returns the only `Host` that is accepted: `127.0.0.1:9473` */
    readonly getHost: () => string;
    readonly findKeys: LocalKeys['find'];
    readonly resolveRun: CallRuns['resolve'];
    /** @returns undefined for a signing name without a table */
    readonly findService: (signingName: string) => SigningService | undefined;
    readonly findOrigin: FindOrigin;
    readonly forward: (
      request: {
        readonly origin: string;
        readonly method: string;
        readonly path: string;
        readonly headers: ReadonlyMap<string, string>;
        readonly body: UpstreamBody['body'];
      },
      receiver: ResponseReceiver,
    ) => Forwarding;
    /** For local keys. */
    readonly signText: SignText;
    readonly clock: Clock;
    /** Called when the signature of a call is verified: its connection belongs to that consumer. */
    readonly identified: (incoming: IncomingMessage, consumer: string) => void;
  };

/** DeleteObjects names its objects in the body; all else that S3 decides by is in the head. */
const needsBody = (plan: BodyPlan, { target }: RecognizableRequest): boolean =>
  plan.kind === 'buffer' || target.parameters.has('delete');

/** The size of the payload, without its framing. */
const readBodyFacts = (plan: BodyPlan, body: Buffer | undefined): { bytes: number | undefined } => {
  if (body !== undefined && plan.kind !== 'chunked') return { bytes: body.length };
  if (plan.kind === 'chunked') return { bytes: plan.format.decodedLength };
  return { bytes: plan.kind === 'stream' ? plan.length : undefined };
};

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
type AllowedCall = VerifiedCall & { readonly run: SignedRun; readonly origin: string };

/** A run of a task of provider `aws`: no other has a local key. */
type SignedRun = CallRun & { readonly keys: AwsKeys };

const isSigned = (run: CallRun): run is SignedRun => run.keys !== undefined;

/** The steps of a call, in their order. Each throws a {@link RefusedCall} to end it. */
export const createCallSteps = (deps: CallStepDeps, records: CallRecords) => {
  const bodies = createBodySteps(deps, records);
  const findRun = createRunStep(deps.resolveRun, records);
  return {
    identify: createIdentification(deps),
    readAndVerify: createVerification(deps, bodies),
    recognize,
    enterRun: async (exchange: CallExchange): Promise<SignedRun> => {
      const run = await findRun(exchange);
      if (!isSigned(run)) throw new Error('expected a run with keys of a cloud');
      return run;
    },
    authorize: createAuthorization(deps),
    passGates: createPassGates(bodies, createGateStep(deps, records)),
    forward: createForward(deps, bodies),
  };
};

/** A key of another consumer does not exist on a consumer's own socket: the mount is the identity. */
const createIdentification =
  (deps: CallStepDeps) =>
  ({ incoming, record }: CallExchange, consumer?: string): IdentifiedCall => {
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

const createVerification =
  (deps: CallStepDeps, bodies: BodySteps) =>
  async (exchange: CallExchange, identified: IdentifiedCall): Promise<VerifiedCall> => {
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

const recognize = ({ record }: CallExchange, call: VerifiedCall) => {
  const request = toRecognizable(call);
  const operation = requireValue(recognizeCall(call.service, request));
  record.operation = operation;
  return { operation, request };
};

const createAuthorization =
  ({ findOrigin }: CallStepDeps) =>
  (
    { record }: CallExchange,
    call: VerifiedCall & { run: SignedRun },
    { operation, request }: { operation: Operation; request: RecognizableRequest },
  ): AllowedCall => {
    const { service, body, run, parsed } = call;
    const { region, service: signingName } = parsed.authorization.scope;
    const { account } = run;
    const read = body === undefined ? {} : { body };
    const decision = authorizeCall(
      service,
      { operation, request, partition: getPartition(region), region, account, ...read },
      { name: run.task, allow: run.allow },
    );
    record.authorization = refuseCanary(run, decision);
    const { refusal } = record.authorization;
    if (refusal !== undefined) throw new RefusedCall(refusal);
    const table = service.table.services.find(({ id }) => id === operation.service);
    if (table === undefined) throw new Error(`expected a table of ${operation.service}`);
    return {
      ...call,
      origin: requireValue(
        findOrigin({
          signingName,
          service: table,
          region,
          isNarrowed: operation.isNarrowed === true,
        }),
      ),
    };
  };

/** Larger bodies are not read for their hash. */
const MAX_HASHED_BYTES = 8 * 1024 * 1024;

/**
 * Creates the step that applies the gates of a run.
 *
 * @returns the call, with its body if that was read for the people who are asked
 */
const createPassGates =
  (bodies: BodySteps, checkGates: ReturnType<typeof createGateStep>) =>
  async (exchange: CallExchange, call: AllowedCall): Promise<AllowedCall> => {
    const { record } = exchange;
    const { service, plan, parsed, run, consumer } = call;
    const { request } = parsed;
    const { operation } = record;
    let passed = call;
    const describe = () => {
      const tokens = listTokens(service, operation);
      const body = hashBody(passed, tokens);
      if (body === undefined) return undefined;
      const { method, target, headers } = request;
      const { region, service: signingName } = parsed.authorization.scope;
      const [path = ''] = formatRequestTarget(target, signingName).split('?', 1);
      return buildCallContent({
        origin: call.origin,
        region,
        method,
        path,
        body,
        query: [...target.parameters]
          .filter(([name]) => !tokens.includes(name))
          .sort(compareEntries),
        headers: selectContentHeaders(headers, tokens),
        permissions: record.authorization?.permissions ?? [],
      });
    };
    const readContent = async () => {
      const { bytes = Infinity } = readBodyFacts(plan, undefined);
      if (bytes > MAX_HASHED_BYTES || bytes > bodies.maxBodyBytes) return undefined;
      const body = await bodies.readPayload(exchange, { plan, consumer });
      passed = { ...call, plan: { kind: 'buffer' }, body };
      return describe();
    };
    await checkGates(exchange, run, {
      ...readBodyFacts(plan, call.body),
      contentType: request.headers.get('content-type'),
      body: call.body,
      describe,
      readContent,
    });
    return passed;
  };

const listTokens = (
  { table }: SigningService,
  { service = '', name = '' }: { service?: string; name?: string } = {},
): readonly string[] => table.services.find(({ id }) => id === service)?.tokens?.[name] ?? [];

/** @returns undefined if the body was not read, and its hash was not signed */
const hashBody = (
  { body, plan, parsed }: AllowedCall,
  tokens: readonly string[],
): HashedBody | undefined => {
  const { headers } = parsed.request;
  // Of a body in chunks, the framing was read, too.
  if (body !== undefined && plan.kind !== 'chunked') return hashAwsBody(body, { headers, tokens });
  if (plan.kind !== 'stream') return undefined;
  if (plan.length === 0) return { none: true };
  return plan.payloadHash === UNSIGNED_PAYLOAD ? undefined : { bytes: plan.payloadHash };
};

/** Origins are the platform's: few, each of many calls. */
const MAX_ORIGINS = 64;

/** Creates the last step: signs an allowed call, sends it, and passes the response on. */
const createForward = (deps: CallStepDeps, { buildBody }: BodySteps) => {
  const hosts = createLruCache<string>(MAX_ORIGINS);
  const getHost = (origin: string): string => {
    const known = hosts.get(origin);
    if (known !== undefined) return known;
    const { host } = new URL(origin);
    hosts.set(origin, host);
    return host;
  };

  const sign = (
    { parsed, run, origin }: AllowedCall,
    upstream: Pick<UpstreamBody, 'headers' | 'payloadHash'>,
  ) => {
    const { request, authorization } = parsed;
    const { region, service } = authorization.scope;
    const headers = selectRequestHeaders(request.headers, getHost(origin));
    for (const [name, value] of upstream.headers) headers.set(name, value);
    const { payloadHash } = upstream;
    return signRequest(
      { ...request, headers },
      { keys: run.keys, region, service, payloadHash, nowMs: deps.clock.now() },
      run.signText,
    );
  };

  return ({ incoming, outgoing, record }: CallExchange, call: AllowedCall): Promise<number> => {
    if (call.body === undefined) sendContinue(incoming, outgoing);
    const { run, origin, parsed } = call;
    const { body, ...upstream } = buildBody(call, incoming);
    const signed = sign(call, upstream);
    record.sentAt = deps.clock.monotonic();
    const request = { ...signed, origin, method: parsed.request.method, body };
    return passResponse((receiver) => deps.forward(request, receiver), outgoing, {
      signal: run.signal,
      onExpired: () => endRunAfterCall(run),
      meter: run.meter,
    });
  };
};
