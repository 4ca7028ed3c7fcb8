import { createHandlers } from '../../cmd/sidecar/handlers.ts';
import { createResponses, type RouteRequest } from '../../cmd/sidecar/responses.ts';
import type { Task } from '../../lib/contract/task.ts';
import { exchangeInProgress, buildRunRevokedRefusal } from '../../lib/runs/run-refusal.ts';
import type { ActiveRun } from '../../lib/runs/active-runs.ts';
import { formatCredentials } from '../../lib/runs/rendering.ts';
import { createRefusalMemory } from '../../lib/runs/refusal-memory.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import { buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import { createLocalCall } from './local-call.ts';
import { SIDECAR_REFUSALS } from './sidecar-refusals.ts';
import { readStarts } from './sidecar-starts.ts';

const EXPIRES_AT = Date.parse('2026-01-02T03:04:05.678Z');
const keys = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'c2VjcmV0', sessionToken: 'dG9rZW4=' };

const counted: string[] = [];
const repliesFor = (isServable: boolean) =>
  createResponses({
    markServed: () => isServable,
    countRequest: (route, status) => void counted.push(`${route} ${status}`),
    tasks: [],
    getGatewayOrigin: () => 'http://127.0.0.1:9473',
  });
const replies = repliesFor(true);

const buildActiveRun = (task: Task): ActiveRun => ({
  ...{ kind: 'run', run: 'run-1', consumer: 'agent', task, isExplicit: false },
  ...{ requestedAt: 0, expiresAt: EXPIRES_AT, expiresAtMonotonic: 0 },
  credentials: formatCredentials({ keys, expiresAt: EXPIRES_AT, role: task.role }),
});

const param = { customer: { pattern: '[a-z]+', maxLength: 20 } };
const tasks: readonly Task[] = [
  buildTask('only', ['alone']),
  { ...buildTask('first', ['agent', 'two']), default: true, purpose: 'nightly' },
  buildTask('second', ['agent', 'two', 'three']),
  { ...buildTask('bound', ['agent', 'three']), params: param, role: 'arn:aws:iam:::role/r' },
];

const book = {
  findRun: (_: string, task: Task) => ({ freshness: 'fresh', run: buildActiveRun(task) }),
  startExplicitRun: () => Promise.resolve(exchangeInProgress),
  markServed: () => true,
  getRun: (_: string, run: string) =>
    run === 'run-1' ? buildActiveRun(buildTask('only', ['alone'])) : undefined,
  complete: (_: string, run: string) => run === 'run-1',
  findRevocationRefusal: (_: string, run: string) =>
    run === 'run-2' ? buildRunRevokedRefusal({ name: 'stop', reason: 'leak' }) : undefined,
} as unknown as RunRegistry;

const asked = async (
  answer: (call: RouteRequest) => void | Promise<void>,
  consumer = 'agent',
): Promise<unknown> => {
  const { call, answer: read } = createLocalCall(consumer);
  await answer(call);
  return read();
};

const captureRoutes = async (consumer: string): Promise<object> => {
  const admitted = { consumers: ['alone', 'agent', 'two', 'three', 'none'], tasks };
  const answers = createHandlers({
    admitted,
    trust: 'authority',
    registry: book,
    responses: replies,
    refusals: createRefusalMemory({ canPropose: true }),
    schedule: () => () => undefined,
  });
  const ask = (answer: (call: RouteRequest) => void | Promise<void>) => asked(answer, consumer);
  const names = [...tasks.map(({ name }) => name), 'nothing'];
  const runs = ['run-1', 'run-2', 'run-3'];
  return {
    tasks: await ask((call) => answers.tasks(call, '')),
    credentials: await ask((call) => answers.credentials(call)),
    taskCredentials: await Promise.all(
      names.map((name) => ask((call) => answers.taskCredentials(call, name))),
    ),
    runs: await Promise.all(runs.map((run) => ask((call) => answers.runCredentials(call, run)))),
    completed: await Promise.all(runs.map((run) => ask((call) => answers.completeRun(call, run)))),
  };
};

/** Every answer of the sidecar's local listener, and how it reads the start of a run. */
export const captureSidecarAnswers = async (): Promise<object> => {
  const [, first = buildTask('first', []), second = first, bound = first] = tasks;
  const consumers = ['alone', 'agent', 'two', 'three', 'none'];
  return {
    routes: await Promise.all(consumers.map(captureRoutes)),
    started: await asked((call) => replies.started(call, buildActiveRun(first))),
    ended: await asked((call) => repliesFor(false).run(call, buildActiveRun(second))),
    endedAtStart: await asked((call) => repliesFor(false).started(call, buildActiveRun(second))),
    refusals: await Promise.all(
      SIDECAR_REFUSALS.map(async (refusal) => [
        refusal.nature,
        await asked((call) => replies.refusal(call, refusal)),
      ]),
    ),
    starts: await Promise.all(
      (['authority', 'cluster'] as const).flatMap((trust) =>
        [first, bound].map((task) => readStarts(task, trust)),
      ),
    ),
    counted: counted.splice(0),
  };
};
