import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { createCatalogLoader, type LoadCatalog } from '../catalog/catalog.ts';
import type { CloudSettings, TaskLimits } from '../contract/platform.ts';
import type { AdmittedTasks, Task } from '../contract/task.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { createTaskRevalidator, revalidateTasks } from './revalidation.ts';
import { readTasks } from './tasks.ts';

type Case = {
  readonly name: string;
  readonly limits?: Partial<TaskLimits>;
  readonly dialect?: 'aws' | 's3';
  readonly endpoints?: CloudSettings['endpoints'];
  readonly tasks: readonly Task[];
};

const defaultLimits: TaskLimits = {
  minLifetimeSeconds: 60,
  maxLifetimeSeconds: 3600,
  delivery: 'vend',
  accountIds: ['111122223333'],
  partitions: [],
  wildcardOnlyActions: false,
  regionWildcards: false,
  accountWildcards: false,
  mintingActions: {},
};
const loadCatalog = createCatalogLoader();

/** Everything that admission accepts in the tests of declarations. */
const accepted = ['accepted.yaml', 'http.yaml', 'upstreams.yaml'].flatMap((file) =>
  (
    parse(
      readFileSync(join(import.meta.dirname, 'fixtures', file), 'utf8'),
    ) as readonly Partial<Case>[]
  ).filter((each): each is Case => each.tasks !== undefined),
);

/** The compiler misses none. */
const TASK_MEMBERS = Object.keys({
  ...{ name: 0, provider: 0, role: 0, allow: 0, params: 0, lifetimeSeconds: 0, purpose: 0 },
  ...{ delivery: 0, client: 0, budget: 0, containers: 0, default: 0, exclusive: 0 },
  ...{ delegated: 0, canary: 0 },
} satisfies Record<keyof Task, 0>);

const buildAdmittedTasks = (tasks: readonly Task[]): AdmittedTasks => ({
  consumers: [...new Set(tasks.flatMap(({ containers }) => containers))],
  tasks,
});

const report: Task = {
  name: 'report',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{customer}/*'] }],
  params: { customer: { pattern: '[a-z]+', maxLength: 40 } },
  lifetimeSeconds: 600,
  delivery: 'vend',
  containers: ['agent'],
  default: false,
  exclusive: false,
};
const plainTask: Task = {
  ...report,
  name: 'plain',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/*'] }],
  params: {},
};
const buildTaskAllowing = (...actions: string[]): Task => ({
  ...plainTask,
  allow: [{ actions, resources: ['arn:aws:s3:::acme-data/*'] }],
});

const listRevalidationErrors = async (
  tasks: readonly Task[],
  limits: Partial<TaskLimits> = {},
): Promise<readonly string[]> => {
  const terms = {
    limits: { ...defaultLimits, ...limits },
    cloud: { dialect: 'aws' },
    loadCatalog,
  } as const;
  const result = await revalidateTasks(buildAdmittedTasks(tasks), terms);
  return result.ok ? [] : result.faults.map(formatFieldError);
};

describe('revalidateTasks of tasks that admission wrote', () => {
  it.each(accepted.filter(({ tasks }) => tasks.length > 0))(
    'accepts them unchanged: $name',
    async ({ tasks, limits, dialect, endpoints }) => {
      const admitted = buildAdmittedTasks(tasks);
      const terms = {
        limits: { ...defaultLimits, ...(dialect === 's3' && { accountIds: [] }), ...limits },
        cloud: { dialect: dialect ?? 'aws', endpoints: endpoints ?? [] },
        loadCatalog,
      };
      expect(await revalidateTasks(admitted, terms)).toEqual({ ok: true, value: admitted });
    },
  );

  it('does so for every member that a task can have', () => {
    const members = new Set(accepted.flatMap(({ tasks }) => tasks.flatMap(Object.keys)));
    expect([...members].sort()).toEqual(TASK_MEMBERS.toSorted());
  });
});

it('revalidateTasks accepts statements that are longer than an annotation in normal form', async () => {
  const resources = [`arn:aws:s3:::${'a'.repeat(1500)}*`, `arn:aws:s3:::${'b'.repeat(1500)}/*`];
  const value = {
    ...{ role: plainTask.role, lifetime: '10m', containers: ['agent'] },
    allow: [{ actions: ['s3:GetObject', 's3:ListBucket'], resources }],
  };
  const terms = { limits: defaultLimits, cloud: { dialect: 'aws' }, loadCatalog } as const;
  const consumers = { containers: ['agent'], addressable: [] };
  const annotations = { 'task.valetkey.dev/wide': JSON.stringify(value) };
  const read = await readTasks({ ...terms, annotations, consumers });
  if (!read.ok) throw new Error(read.faults.map(formatFieldError).join());
  expect(JSON.stringify(read.value[0]?.allow).length).toBeGreaterThan(4096);
  const admitted = buildAdmittedTasks(read.value);
  expect(await revalidateTasks(admitted, terms)).toEqual({ ok: true, value: admitted });
});

describe('revalidateTasks of a sidecar environment written by hand', () => {
  const many = Array.from({ length: 257 }, (_, index) => `arn:aws:s3:::acme-data/${index}`);
  const long = Array.from(
    { length: 40 },
    (_, index) => `arn:aws:s3:::acme/${index}${'x'.repeat(99)}`,
  );
  it.each<readonly [string, Task, RegExp]>([
    [
      'an unknown action',
      buildTaskAllowing('s3:GetObjekt'),
      /an action that exists; the nearest is s3:GetObject/,
    ],
    [
      'an action in another case',
      buildTaskAllowing('s3:getobject'),
      /allow: expected the normal form/,
    ],
    [
      'an action twice',
      buildTaskAllowing('s3:GetObject', 's3:GetObject'),
      /allow: expected the normal form/,
    ],
    [
      'a minting action',
      {
        ...plainTask,
        allow: [
          { actions: ['sts:AssumeRole'], resources: ['arn:aws:iam::111122223333:role/admin'] },
        ],
      },
      /issues AWS credentials that outlive the run/,
    ],
    ['a service written with a wildcard', buildTaskAllowing('s*:GetObject'), /service:Action/],
    [
      'over 256 pairs',
      {
        ...plainTask,
        allow: [
          { actions: ['s3:GetObject'], resources: many.slice(0, 200) },
          { actions: ['s3:PutObject'], resources: many.slice(0, 57) },
        ],
      },
      /at most 256 pairs/,
    ],
    [
      'more text than an annotation holds',
      { ...plainTask, allow: [{ actions: ['s3:GetObject'], resources: long }] },
      /at most 4096 bytes, got \d+/,
    ],
    ['an account that the platform does not list', plainTask, /role of account 444455556666/],
    ['a policy variable', { ...plainTask, purpose: '${aws:username}' }, /without policy variables/],
    ['hidden characters', { ...plainTask, purpose: 'a\u202eb' }, /invisible characters/],
    [
      'a purpose of 257 characters',
      { ...plainTask, purpose: 'x'.repeat(257) },
      /at most 256 characters/,
    ],
    ['a lifetime above the maximum', { ...plainTask, lifetimeSeconds: 3601 }, /from 1m to 1h/],
    ['a lifetime below the minimum', { ...plainTask, lifetimeSeconds: 59 }, /from 1m to 1h/],
    [
      'a region of wildcards',
      {
        ...plainTask,
        allow: [{ actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:*:111122223333:q'] }],
      },
      /without wildcards in its region/,
    ],
    [
      'an invalid pattern',
      { ...report, params: { customer: { pattern: '(', maxLength: 9 } } },
      /RE2 syntax/,
    ],
    [
      'an unused param',
      { ...report, params: { ...report.params, spare: { pattern: 'a', maxLength: 9 } } },
      /a param that a resource uses/,
    ],
    ['a default task with params', { ...report, default: true }, /cannot have params/],
    ['a container twice', { ...plainTask, containers: ['agent', 'agent'] }, /each container once/],
  ])('rejects %s', async (what, task, fault) => {
    const limits = what.startsWith('an account') ? { accountIds: ['444455556666'] } : {};
    expect((await listRevalidationErrors([task], limits)).join('\n')).toMatch(fault);
  });

  it('rejects two default tasks of one consumer', async () => {
    const tasks = ['a', 'b'].map((name) => ({ ...plainTask, name, default: true }));
    expect(await listRevalidationErrors(tasks)).toEqual([
      expect.stringMatching(/one default task/),
    ]);
  });

  it('rejects tasks that are not sorted by name', async () => {
    const tasks = ['b', 'a'].map((name) => ({ ...plainTask, name }));
    expect(await listRevalidationErrors(tasks)).toEqual([
      'VALETKEY_TASKS tasks: expected tasks in the order a, b, got b, a',
    ]);
  });

  it('rejects a consumer that no task names', async () => {
    const admitted = { consumers: ['agent', 'idle'], tasks: [plainTask] };
    const result = await revalidateTasks(admitted, {
      limits: defaultLimits,
      cloud: { dialect: 'aws' },
      loadCatalog,
    });
    expect(result).toMatchObject({ faults: [{ path: 'consumers', got: '"idle"' }] });
  });

  it('returns all errors at once, each with its task', async () => {
    const tasks = [
      { ...plainTask, name: 'a', lifetimeSeconds: 1 },
      { ...plainTask, name: 'b', purpose: 'a\u202eb' },
    ];
    expect(await listRevalidationErrors(tasks)).toEqual([
      expect.stringMatching(/^VALETKEY_TASKS a lifetime: /),
      expect.stringMatching(/^VALETKEY_TASKS b purpose: /),
    ]);
  });
});

describe('revalidateTasks with listed minting actions', () => {
  it('accepts them for the role that they are listed for', async () => {
    const task: Task = {
      ...plainTask,
      allow: [{ actions: ['sts:AssumeRole'], resources: ['arn:aws:iam::111122223333:role/next'] }],
    };
    expect(
      await listRevalidationErrors([task], {
        mintingActions: { [plainTask.role]: ['sts:AssumeRole'] },
      }),
    ).toEqual([]);
  });
});

describe('createTaskRevalidator', () => {
  const counting = () => {
    const state = { loads: 0 };
    const load: LoadCatalog = (services) => {
      state.loads += 1;
      return loadCatalog(services);
    };
    return {
      state,
      revalidate: createTaskRevalidator({
        limits: defaultLimits,
        cloud: { dialect: 'aws' },
        loadCatalog: load,
      }),
    };
  };

  it('checks the same tasks once, and other tasks each time', async () => {
    const { state, revalidate } = counting();
    expect(await revalidate(buildAdmittedTasks([plainTask]))).toMatchObject({ ok: true });
    expect(await revalidate(structuredClone(buildAdmittedTasks([plainTask])))).toMatchObject({
      ok: true,
    });
    expect(state.loads).toBe(1);
    expect(
      await revalidate(buildAdmittedTasks([{ ...plainTask, lifetimeSeconds: 1 }])),
    ).toMatchObject({
      ok: false,
    });
    expect(
      await revalidate(buildAdmittedTasks([{ ...plainTask, lifetimeSeconds: 1 }])),
    ).toMatchObject({
      ok: false,
    });
    expect(state.loads).toBe(3);
  });
});
