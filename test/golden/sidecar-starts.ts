import { readStartRequest } from '../../lib/runs/start-request.ts';
import type { Task } from '../../lib/contract/task.ts';

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

const captureStart = async (task: Task, trust: 'authority' | 'cluster', body: unknown) => {
  const start = await readStartRequest(body, { consumer: 'agent', task, trust });
  if (start.kind === 'refusal') return start.code;
  const { params, purpose, userToken } = start.request;
  return { params, purpose, userToken };
};

/** What a body asks for, or the code of its refusal, for each body. */
export const readStarts = (
  task: Task,
  trust: 'authority' | 'cluster',
): Promise<readonly unknown[]> =>
  Promise.all(BODIES.map((body) => captureStart(task, trust, body)));
