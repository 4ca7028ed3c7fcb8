import { authorizeHttpCall } from '../../calls/http-call-authorization.ts';
import { findHeaderFault } from '../../calls/call-request.ts';
import type { CallRun } from '../../calls/call-runs.ts';
import type { EndedCall } from '../../calls/ended-call.ts';
import { readHttpHeaders } from '../../calls/http-headers.ts';
import { refuseCanary } from '../../calls/canaries.ts';
import { renderHttpRefusal } from '../../calls/http-refusals.ts';
import { parseHttpRoute, parseHttpTarget, type HttpRoute } from '../../calls/http-target.ts';
import { narrowVaultStatements } from '../../calls/vault-paths.ts';
import type { Task } from '../../contract/task.ts';
import type { HttpSecret } from '../../contract/upstream.ts';
import type { LocalKeyOwner } from '../../runs/local-keys.ts';
import {
  createExchangeHandler,
  createRunStep,
  endRunAfterCall,
  type HandleCall,
} from './call-exchange.ts';
import type { CallHandlerDeps } from './call-handler.ts';
import { createCallRecords, type CallExchange, type CallRecords } from './call-record.ts';
import { sendRefusal } from './call-responses.ts';
import { createHttpGates } from './http-gates.ts';
import { createGitAuthorization, isGitUrl, RefusedPush } from './git-calls.ts';
import { createHttpForward, type AllowedCall, type ReceivedCall } from './http-forward.ts';
import { createCallerSteps, type HttpCaller, type HttpCallerDeps } from './http-caller.ts';
import type { SendHttp } from './http-responses.ts';
import { createMcpForward } from './mcp-call-handler.ts';
import { refuse, RefusedCall, refuseUnjournaled, requireValue, toRefusal } from './refused-call.ts';

/** What calls of provider `http` need of the rest of the sidecar. */
export type HttpCallDeps = Omit<
  CallHandlerDeps,
  'dialect' | 'findKeys' | 'findService' | 'findOrigin' | 'forward' | 'signText'
> &
  HttpCallerDeps & { readonly send: SendHttp };

/** An upstream that refuses the secret gets another one at most so often. */
const REFRESH_MS = 60_000;

/**
 * Creates the handler of calls below `/t/<task>` and `/r/<run>`. Nothing reaches the upstream before the
 * call is within its task, and only its answer without the secret reaches the client.
 */
export const createHttpCallHandler = (deps: HttpCallDeps): HandleCall => {
  const records = createCallRecords(deps);
  const steps = createSteps(deps, records);
  const onUnauthorized = createRefresh(deps);
  const forward = createHttpForward({ ...deps, onUnauthorized }, records);
  const forwardMcp = createMcpForward({ ...deps, onUnauthorized }, records);

  const handleCall = async (
    exchange: CallExchange,
    mounted: string | undefined,
  ): Promise<number> => {
    refuseUnjournaled(deps);
    const received = await steps.identify(exchange, mounted);
    const entered = await steps.enterRun(exchange, received);
    if (entered.secret.upstream.protocol === 'mcp') return forwardMcp(exchange, entered);
    const allowed = await steps.authorize(exchange, entered);
    return forward(exchange, await steps.passGates(exchange, allowed));
  };

  /** The client parses only errors of its API. The task of a run that has ended is not known. */
  const getFormat = ({ incoming: { url = '', headers }, record }: CallExchange) => {
    const task = record.run?.task ?? record.owner?.task;
    const client = deps.admitted.tasks.find(({ name }) => name === task)?.client;
    const isVault = headers['x-vault-token'] !== undefined;
    return isGitUrl(url) ? 'git' : (client ?? (isVault ? 'vault' : 'plain'));
  };

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
    const noted = records.note(record, refusal);
    const rendered =
      thrown instanceof RefusedPush
        ? thrown.rendered
        : (exchange.render?.(noted) ??
          renderHttpRefusal(noted, { format: getFormat(exchange), isHead }));
    const headers = { ...rendered.headers, 'x-valetkey-refusal': record.id };
    return records.end(record, {
      outcome,
      code,
      status: sendRefusal(incoming, outgoing, { ...rendered, headers }),
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
  const { admitted, getHost, identified } = deps;
  const { identifyCaller, checkAnswer } = createCallerSteps(deps);
  const enterRun = createRunStep(deps.resolveRun, records);
  const authorizeGit = createGitAuthorization(records);

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
    identify: async (
      { incoming, record }: CallExchange,
      mounted: string | undefined,
    ): Promise<ReceivedCall & HttpCaller> => {
      const headers = requireValue(readHttpHeaders(incoming.rawHeaders));
      const fault = findHeaderFault(headers, getHost());
      if (fault !== undefined) throw new RefusedCall(fault);
      const route =
        parseHttpRoute(incoming.url ?? '') ??
        refuse('route_unknown', 'expected a path below /t/<task> or /r/<run>');
      const caller =
        mounted === undefined
          ? await identifyCaller({ headers, route, connection: incoming.socket })
          : { consumer: mounted, hasFixedKey: false };
      identified(incoming, caller.consumer);
      const owner = findOwner(route, caller.consumer);
      record.owner = owner;
      return { headers, route, ...caller };
    },
    enterRun: async (exchange: CallExchange, call: ReceivedCall & HttpCaller) => {
      const run = await enterRun(exchange);
      checkAnswer(call, call.route);
      const { secret } = run;
      if (secret?.kind !== 'http') {
        return refuse('route_unknown', `the run of task ${run.task} has no base URL`);
      }
      return { ...call, run, secret };
    },
    authorize: async (
      exchange: CallExchange,
      call: ReceivedCall & { run: CallRun; secret: HttpSecret },
    ): Promise<AllowedCall> => {
      const { run, secret, route } = call;
      const { upstream } = secret;
      if (upstream.protocol === 'git') {
        return { ...call, ...(await authorizeGit(exchange, { ...call, upstream })) };
      }
      const { record, incoming } = exchange;
      const { method = '' } = incoming;
      record.operation = { service: 'http', name: method };
      const target = requireValue(parseHttpTarget(route.rest, upstream));
      const allow = narrowVaultStatements(run.allow, target, secret);
      const decision = authorizeHttpCall({ method, target }, { name: run.task, allow });
      record.authorization = refuseCanary(run, decision);
      const { refusal } = record.authorization;
      if (refusal !== undefined) throw new RefusedCall(refusal);
      return { ...call, target };
    },
    passGates: createHttpGates(deps, records),
  };
};

/** Ends a run whose secret the upstream refuses: the next run gets the secret of now. */
const createRefresh = ({ clock }: HttpCallDeps): ((run: CallRun) => void) => {
  const refreshed = new Map<string, number>();
  return (run) => {
    const at = clock.monotonic();
    if (at - (refreshed.get(run.task) ?? -Infinity) < REFRESH_MS) return;
    refreshed.set(run.task, at);
    endRunAfterCall(run);
  };
};
