import type { AdmittedTasks, Task } from '../../lib/contract/task.ts';
import type { CredentialSource } from '../../lib/credentials/answer.ts';
import type { Refusal } from '../../lib/credentials/refusal.ts';
import type { RunBook } from '../../lib/credentials/run-book.ts';
import { readJsonBody } from '../../lib/edge/http/local-body.ts';
import type { SidecarConfig } from './config.ts';
import {
  noDefaultTask,
  noTask,
  paramsRequired,
  runNotLive,
  taskNotAllowed,
  unknownTask,
} from './refusals.ts';
import type { Call, Replies } from './replies.ts';
import { readStartRequest } from './start-request.ts';
import { renderTasks } from './task-list.ts';

/** Answers a call; `name` is the task or run that its path names. */
export type Action = (call: Call, name: string) => void | Promise<void>;

/** What each route means for one consumer. Another consumer's task is refused, its runs do not exist. */
export const consumerAnswers = (
  consumer: string,
  {
    admitted,
    trust,
    book,
    replies,
  }: {
    admitted: AdmittedTasks;
    trust: SidecarConfig['trust'];
    book: RunBook;
    replies: Replies;
  },
) => {
  const own = admitted.tasks.filter(({ containers }) => containers.includes(consumer));

  const refuse =
    (refusal: Refusal): Action =>
    (call) =>
      replies.refusal(call, refusal);

  const serve =
    (source: CredentialSource): Action =>
    (call) => {
      const answer = source();
      if (!(answer instanceof Promise)) {
        replies.credentials(call, answer);
        return;
      }
      return answer.then((late) => replies.credentials(call, late));
    };

  const startTask =
    (task: Task): Action =>
    async (call) => {
      const body = await readJsonBody(call.request);
      if (body.kind === 'refusal') {
        replies.refusal(call, body, CLOSING);
        return;
      }
      const start = await readStartRequest(body.value, { consumer, task, trust });
      if (start.kind === 'refusal') {
        replies.refusal(call, start);
        return;
      }
      replies.started(call, await book.start(start.request));
    };

  const serveTask = (task: Task): Action =>
    hasParams(task) ? refuse(paramsRequired(task)) : serve(book.source(consumer, task));

  /** By a task's name: what `action` makes of the consumer's own tasks, and refusals of others. */
  const byTask = (action: (task: Task) => Action): ReadonlyMap<string, Action> =>
    new Map(
      admitted.tasks.map((task) => [
        task.name,
        own.includes(task) ? action(task) : refuse(taskNotAllowed(task, consumer)),
      ]),
    );

  const served = byTask(serveTask);
  const started = byTask(startTask);
  const unknown = refuse(unknownTask(own));
  const preferred = preferredTask(own);
  const list = renderTasks(own);

  return {
    tasks: ((call) => replies.json(call, 200, list)) satisfies Action,
    credentials: 'code' in preferred ? refuse(preferred) : (served.get(preferred.name) ?? unknown),
    taskCredentials: ((call, name) => (served.get(name) ?? unknown)(call, name)) satisfies Action,
    startRun: ((call, name) => (started.get(name) ?? unknown)(call, name)) satisfies Action,
    runCredentials: ((call, name) =>
      replies.credentials(
        call,
        book.find(consumer, name) ?? book.whyRevoked(consumer, name) ?? runNotLive,
      )) satisfies Action,
    completeRun: ((call, name) =>
      book.complete(consumer, name)
        ? replies.nothing(call)
        : replies.refusal(call, runNotLive)) satisfies Action,
  };
};

/** What is left of a refused body is not read. */
const CLOSING = ['Connection', 'close'];

const hasParams = ({ params }: Task): boolean => Object.keys(params).length > 0;

/** What `GET /v1/credentials` means: the only task, or the default one. */
const preferredTask = (own: readonly Task[]): Task | Refusal => {
  const [only] = own;
  if (only === undefined) return noTask;
  if (own.length === 1) return only;
  return own.find((task) => task.default) ?? noDefaultTask(own);
};
