import type { AdmittedTasks, Task } from '../../lib/contract/task.ts';
import type { TaskCredentialSource } from '../../lib/runs/response-timeout.ts';
import type { RunRefusal } from '../../lib/runs/run-refusal.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import { readLocalJsonBody } from '../../lib/edge/http/local-body.ts';
import type { SidecarConfig } from './config.ts';
import {
  buildNoDefaultTaskRefusal,
  taskNotDeclared,
  buildParamsRequiredRefusal,
  runUnknown,
  buildTaskNotAllowedRefusal,
  buildTaskUnknownRefusal,
} from './route-refusals.ts';
import type { RouteRequest, Responses } from './responses.ts';
import { readStartRequest } from './start-request.ts';
import { renderTasks } from './task-list.ts';

/** Answers a call; `name` is the task or run that its path names. */
export type RouteHandler = (call: RouteRequest, name: string) => void | Promise<void>;

/** What each route means for one consumer. Another consumer's task is refused, its runs do not exist. */
export const createHandlers = (
  consumer: string,
  {
    admitted,
    trust,
    registry,
    responses,
  }: {
    admitted: AdmittedTasks;
    trust: SidecarConfig['trust'];
    registry: RunRegistry;
    responses: Responses;
  },
) => {
  const own = admitted.tasks.filter(({ containers }) => containers.includes(consumer));

  const refuse =
    (refusal: RunRefusal): RouteHandler =>
    (call) =>
      responses.refusal(call, refusal);

  const serve =
    (source: TaskCredentialSource): RouteHandler =>
    (call) => {
      const answer = source();
      if (!(answer instanceof Promise)) {
        responses.credentials(call, answer);
        return;
      }
      return answer.then((late) => responses.credentials(call, late));
    };

  const startTask =
    (task: Task): RouteHandler =>
    async (call) => {
      const body = await readLocalJsonBody(call.request);
      if (body.kind === 'refusal') {
        responses.refusal(call, body, CONNECTION_CLOSE);
        return;
      }
      const start = await readStartRequest(body.value, { consumer, task, trust });
      if (start.kind === 'refusal') {
        responses.refusal(call, start);
        return;
      }
      responses.started(call, await registry.start(start.request));
    };

  const serveTask = (task: Task): RouteHandler =>
    hasParams(task)
      ? refuse(buildParamsRequiredRefusal(task))
      : serve(registry.createSource(consumer, task));

  /** By a task's name: what `action` makes of the consumer's own tasks, and refusals of others. */
  const byTask = (action: (task: Task) => RouteHandler): ReadonlyMap<string, RouteHandler> =>
    new Map(
      admitted.tasks.map((task) => [
        task.name,
        own.includes(task) ? action(task) : refuse(buildTaskNotAllowedRefusal(task, consumer)),
      ]),
    );

  const served = byTask(serveTask);
  const started = byTask(startTask);
  const unknown = refuse(buildTaskUnknownRefusal(own));
  const preferred = selectDefaultTask(own);
  const list = renderTasks(own);

  return {
    tasks: ((call) => responses.json(call, 200, list)) satisfies RouteHandler,
    credentials: 'code' in preferred ? refuse(preferred) : (served.get(preferred.name) ?? unknown),
    taskCredentials: ((call, name) =>
      (served.get(name) ?? unknown)(call, name)) satisfies RouteHandler,
    startRun: ((call, name) => (started.get(name) ?? unknown)(call, name)) satisfies RouteHandler,
    runCredentials: ((call, name) =>
      responses.credentials(
        call,
        registry.find(consumer, name) ??
          registry.findRevocationRefusal(consumer, name) ??
          runUnknown,
      )) satisfies RouteHandler,
    completeRun: ((call, name) =>
      registry.complete(consumer, name)
        ? responses.noContent(call)
        : responses.refusal(call, runUnknown)) satisfies RouteHandler,
  };
};

/** What is left of a refused body is not read. */
const CONNECTION_CLOSE = ['Connection', 'close'];

const hasParams = ({ params }: Task): boolean => Object.keys(params).length > 0;

/** What `GET /v1/credentials` means: the only task, or the default one. */
const selectDefaultTask = (own: readonly Task[]): Task | RunRefusal => {
  const [only] = own;
  if (only === undefined) return taskNotDeclared;
  if (own.length === 1) return only;
  return own.find((task) => task.default) ?? buildNoDefaultTaskRefusal(own);
};
