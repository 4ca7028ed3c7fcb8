import type { ServerResponse } from 'node:http';
import { consumerAnswers } from '../../cmd/sidecar/consumer-answers.ts';
import {
  internalError,
  methodNotAllowed,
  unknownRoute,
  userTokenUnsupported,
} from '../../cmd/sidecar/refusals.ts';
import { openReplies, type Call } from '../../cmd/sidecar/replies.ts';
import { readStartRequest } from '../../cmd/sidecar/start-request.ts';
import type { Task } from '../../lib/contract/task.ts';
import { ExchangeError } from '../../lib/credentials/exchange.ts';
import * as refusals from '../../lib/credentials/refusal.ts';
import type { LiveRun } from '../../lib/credentials/live-runs.ts';
import { renderCredentials } from '../../lib/credentials/rendering.ts';
import type { RunBook } from '../../lib/credentials/run-book.ts';
import { taskFor } from '../../lib/injection/fixtures/platform.ts';

const EXPIRES_AT = Date.parse('2026-01-02T03:04:05.678Z');
const keys = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'c2VjcmV0', sessionToken: 'dG9rZW4=' };

/** A response in memory: status, headers and body; of a refusal only its code. */
const openCall = () => {
  const sent: { status?: number; headers?: readonly string[]; body?: unknown } = {};
  const response = {
    writeHead: (status: number, headers: readonly string[]) => {
      Object.assign(sent, { status, headers });
      return response;
    },
    end: (body?: Buffer) => void (sent.body = body?.toString()),
  };
  const call: Call = {
    request: undefined as never,
    response: response as unknown as ServerResponse,
    route: 'a-route',
  };
  const answer = (): unknown => {
    const { status, headers = [], body } = sent;
    const { Code, ...json } = JSON.parse((body as string | undefined) ?? '{}') as { Code?: string };
    const plain = headers.filter((_, index) => headers[index - (index % 2)] !== 'Content-Length');
    return Code === undefined ? [status, plain, json] : [status, plain, Code];
  };
  return { call, answer };
};

const counted: string[] = [];
const repliesFor = (handOut: boolean) =>
  openReplies({
    handOut: () => handOut,
    countRequest: (route, status) => void counted.push(`${route} ${status}`),
  });
const replies = repliesFor(true);

const runOf = (task: Task): LiveRun => ({
  ...{ kind: 'run', run: 'run-1', consumer: 'agent', task, explicit: false },
  ...{ askedAt: 0, expiresAt: EXPIRES_AT, expiresAtMonotonic: 0 },
  credentials: renderCredentials({ keys, expiresAt: EXPIRES_AT, role: task.role }),
});

const param = { customer: { pattern: '[a-z]+', maxLength: 20 } };
const tasks: readonly Task[] = [
  taskFor('only', ['alone']),
  { ...taskFor('first', ['agent', 'two']), default: true, purpose: 'nightly' },
  taskFor('second', ['agent', 'two', 'three']),
  { ...taskFor('bound', ['agent', 'three']), params: param, role: 'arn:aws:iam:::role/r' },
];

const book = {
  source: (_: string, task: Task) => () => runOf(task),
  start: () => Promise.resolve(refusals.inProgress),
  find: (_: string, run: string) =>
    run === 'run-1' ? runOf(taskFor('only', ['alone'])) : undefined,
  complete: (_: string, run: string) => run === 'run-1',
  whyRevoked: (_: string, run: string) =>
    run === 'run-2' ? refusals.runRevoked({ name: 'stop', reason: 'leak' }) : undefined,
} as unknown as RunBook;

const asked = async (answer: (call: Call) => void | Promise<void>): Promise<unknown> => {
  const { call, answer: read } = openCall();
  await answer(call);
  return read();
};

const routesOf = async (consumer: string): Promise<object> => {
  const admitted = { consumers: ['alone', 'agent', 'two', 'three', 'none'], tasks };
  const answers = consumerAnswers(consumer, { admitted, trust: 'authority', book, replies });
  const names = [...tasks.map(({ name }) => name), 'nothing'];
  const runs = ['run-1', 'run-2', 'run-3'];
  return {
    tasks: await asked((call) => answers.tasks(call)),
    credentials: await asked((call) => answers.credentials(call, '')),
    taskCredentials: await Promise.all(
      names.map((name) => asked((call) => answers.taskCredentials(call, name))),
    ),
    runs: await Promise.all(runs.map((run) => asked((call) => answers.runCredentials(call, run)))),
    completed: await Promise.all(
      runs.map((run) => asked((call) => answers.completeRun(call, run))),
    ),
  };
};

const REFUSALS: readonly refusals.Refusal[] = [
  ...[refusals.inProgress, refusals.terminating, refusals.endedMeanwhile],
  refusals.runRevoked({ name: 'stop', reason: 'leak' }),
  ...[refusals.authoritySilent(30_000), refusals.tooManyRuns(16, 1_500)],
  ...[refusals.tooManyStarts(2_000), refusals.overBeforeItBegan(60, 61_000)],
  ...[unknownRoute, internalError, userTokenUnsupported, methodNotAllowed('GET')],
  refusals.refusalOf(new Error('x')),
  ...(['refused', 'unavailable'] as const).flatMap((kind) =>
    ['policy_denied', 'unauthorized', 'AccessDenied', 'not_local', 'bad_request'].map((code) =>
      refusals.refusalOf(new ExchangeError(kind, code, 'x', { retryAfterMs: 9_000 })),
    ),
  ),
];

const BODIES: readonly unknown[] = [
  ...[
    {},
    { params: {} },
    { params: { customer: 'acme' } },
    { params: { customer: 'A' } },
    [],
    null,
    7,
  ],
  ...[{ params: { customer: 'acme' }, purpose: 'p' }, { purpose: 'a\nb' }, { unknown: 1 }],
  ...[{ params: { customer: 'acme' }, userToken: 'a.b.c' }, { userToken: 'x' }, { userToken: 1 }],
];

const startOf = async (task: Task, trust: 'authority' | 'cluster', body: unknown) => {
  const start = await readStartRequest(body, { consumer: 'agent', task, trust });
  if (start.kind === 'refusal') return start.code;
  const { params, purpose, userToken } = start.request;
  return { params, purpose, userToken };
};

/** Every answer of the sidecar's local listener, and how it reads the start of a run. */
export const captureSidecarAnswers = async (): Promise<object> => {
  const [, first = taskFor('first', []), second = first, bound = first] = tasks;
  const consumers = ['alone', 'agent', 'two', 'three', 'none'];
  return {
    routes: await Promise.all(consumers.map(routesOf)),
    started: await asked((call) => replies.started(call, runOf(first))),
    ended: await asked((call) => repliesFor(false).credentials(call, runOf(second))),
    endedAtStart: await asked((call) => repliesFor(false).started(call, runOf(second))),
    refusals: await Promise.all(
      REFUSALS.map(async (refusal) => [
        refusal.nature,
        await asked((call) => replies.refusal(call, refusal)),
      ]),
    ),
    starts: await Promise.all(
      (['authority', 'cluster'] as const).flatMap((trust) =>
        [first, bound].map((task) => Promise.all(BODIES.map((body) => startOf(task, trust, body)))),
      ),
    ),
    counted: counted.splice(0),
  };
};
