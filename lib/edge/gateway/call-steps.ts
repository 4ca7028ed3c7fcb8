import type { IncomingMessage } from 'node:http';
import {
  authorizeCall,
  readForm,
  recognizeCall,
  type SigningService,
} from '../../calls/authorize-call.ts';
import { planBody, type BodyPlan } from '../../calls/body-plan.ts';
import { selectRequestHeaders } from '../../calls/call-headers.ts';
import { parseCall, verifyCall, type ParsedCall } from '../../calls/call-request.ts';
import type { CallRun, CallRuns } from '../../calls/call-runs.ts';
import { getPartition, type FindOrigin } from '../../calls/cloud-origins.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Operation, RecognizableRequest } from '../../operations/operation.ts';
import type { LocalKeys } from '../../runs/local-keys.ts';
import { signRequest } from '../../signing/sign.ts';
import type { AwsKeys, SignText } from '../../signing/signing-keys.ts';
import { createBodySteps, type BodyStepDeps, type BodySteps } from './body-steps.ts';
import type { UpstreamBody } from './call-bodies.ts';
import { createRunStep, endRunAfterCall } from './call-exchange.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import { passResponse, sendContinue, type CloudResponse } from './call-responses.ts';
import { refuse, RefusedCall, requireValue } from './refused-call.ts';
import { watchEnds } from './watch-ends.ts';

/** What the steps of a call need of the rest of the sidecar. */
export type CallStepDeps = BodyStepDeps & {
  /** @returns the only `Host` that is accepted: `127.0.0.1:9473` */
  readonly getHost: () => string;
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
  readonly clock: Clock;
  /** Called when the signature of a call is verified: its connection belongs to that consumer. */
  readonly identified: (incoming: IncomingMessage, consumer: string) => void;
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
type AllowedCall = VerifiedCall & { readonly run: SignedRun; readonly origin: string };

/** A run of a task of provider `aws`: no other has a local key. */
type SignedRun = CallRun & { readonly keys: AwsKeys };

/** The steps of a call, in their order. Each throws a {@link RefusedCall} to end it. */
export const createCallSteps = (deps: CallStepDeps, records: CallRecords) => {
  const bodies = createBodySteps(deps, records);
  const findRun = createRunStep(deps.resolveRun, records);

  /** A key of another consumer does not exist on a consumer's own socket: the mount is the identity. */
  const identify = ({ incoming, record }: CallExchange, consumer?: string): IdentifiedCall => {
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
    exchange: CallExchange,
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

  const recognize = ({ record }: CallExchange, call: VerifiedCall) => {
    const request = toRecognizable(call);
    const operation = requireValue(recognizeCall(call.service, request));
    record.operation = operation;
    return { operation, request };
  };

  const enterRun = async (exchange: CallExchange): Promise<SignedRun> => {
    const run = await findRun(exchange);
    const { keys } = run;
    if (keys === undefined) throw new Error('expected a run with keys of a cloud');
    return { ...run, keys };
  };

  const authorize = (
    { record }: CallExchange,
    call: VerifiedCall & { run: SignedRun },
    { operation, request }: { operation: Operation; request: RecognizableRequest },
  ): AllowedCall => {
    const { service, body, run, parsed } = call;
    const { region, service: signingName } = parsed.authorization.scope;
    const { account } = run;
    const read = body === undefined ? {} : { body };
    record.authorization = authorizeCall(
      service,
      { operation, request, partition: getPartition(region), region, account, ...read },
      { name: run.task, allow: run.allow },
    );
    const { refusal } = record.authorization;
    if (refusal !== undefined) throw new RefusedCall(refusal);
    const table = service.table.services.find(({ id }) => id === operation.service);
    if (table === undefined) throw new Error(`expected a table of ${operation.service}`);
    return {
      ...call,
      origin: requireValue(
        deps.findOrigin({
          signingName,
          service: table,
          region,
          isNarrowed: operation.isNarrowed === true,
        }),
      ),
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

/** Creates the last step: signs an allowed call, sends it, and passes the response on. */
const createForward = (deps: CallStepDeps, { buildBody }: BodySteps) => {
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

  return async (
    { incoming, outgoing, record }: CallExchange,
    call: AllowedCall,
  ): Promise<number> => {
    if (call.body === undefined) sendContinue(incoming, outgoing);
    const { run, origin, parsed } = call;
    const signal = watchEnds(run, outgoing);
    const upstream = buildBody(call, incoming);
    const signed = sign(call, upstream);
    record.sentAt = deps.clock.monotonic();
    const { method } = parsed.request;
    const response = await deps.send({ ...signed, origin, method, body: upstream.body, signal });
    const onExpired = (): void => endRunAfterCall(run);
    try {
      refuseRedirect(response);
      await passResponse(response, outgoing, { signal, onExpired });
    } catch (thrown) {
      // Destroyed before its end, a body emits an error that ends the process if nothing listens.
      response.body.on('error', () => undefined).destroy();
      throw thrown;
    }
    return response.status;
  };
};

const refuseRedirect = ({ status, headers }: CloudResponse): void => {
  if (status >= 300 && status < 400 && headers['location'] !== undefined) {
    refuse('redirect_refused', `the cloud answered ${status} with another location`);
  }
};
