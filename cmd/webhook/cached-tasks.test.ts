import { describe, expect, it } from '@jest/globals';

import { fail, succeed } from '../../lib/schema/field-error.ts';
import type { ReadTasks } from '../../lib/injection/declared-tasks.ts';
import { cacheTasks } from './cached-tasks.ts';

type Declared = Parameters<ReadTasks>[0];

const consumers = { containers: ['agent'], addressable: [] };
const buildDeclared = (text: string, others: Record<string, string> = {}): Declared => ({
  annotations: { 'task.valetkey.dev/a': text, ...others },
  consumers,
});

const createTestCache = (answer: () => Awaited<ReturnType<ReadTasks>> = () => succeed([])) => {
  const requests: Declared[] = [];
  const readTasks = cacheTasks((each) => {
    requests.push(each);
    return Promise.resolve().then(answer);
  });
  return { requests, readTasks };
};

describe('cacheTasks', () => {
  it('reads equal declarations once', async () => {
    const { requests, readTasks } = createTestCache();
    const first = await readTasks(buildDeclared('x', { 'a.example/run': '1' }));
    expect(await readTasks(buildDeclared('x', { 'a.example/run': '2' }))).toBe(first);
    expect(requests).toHaveLength(1);
  });

  it('ignores other annotations', async () => {
    const { requests, readTasks } = createTestCache();
    await readTasks(buildDeclared('x', { 'a.example/run': '1' }));
    expect(requests).toEqual([buildDeclared('x')]);
  });

  it.each<[string, Declared]>([
    ['another text', buildDeclared('y')],
    ['another task', { annotations: { 'task.valetkey.dev/b': 'x' }, consumers }],
    ['a further task', buildDeclared('x', { 'task.valetkey.dev/b': 'x' })],
    [
      'other containers',
      { ...buildDeclared('x'), consumers: { containers: ['agent', 'b'], addressable: [] } },
    ],
    [
      'a container that is none by default',
      { ...buildDeclared('x'), consumers: { containers: [], addressable: ['agent'] } },
    ],
  ])('reads again for %s', async (_what, other) => {
    const { requests, readTasks } = createTestCache();
    await readTasks(buildDeclared('x'));
    await readTasks(other);
    expect(requests).toHaveLength(2);
  });

  it('does not cache faults and errors', async () => {
    const refused = createTestCache(() => fail([{ path: 'role', expected: 'x', got: 'y' }]));
    await refused.readTasks(buildDeclared('x'));
    expect(await refused.readTasks(buildDeclared('x'))).toMatchObject({ ok: false });
    expect(refused.requests).toHaveLength(2);

    const failing = createTestCache(() => {
      throw new Error('no catalog');
    });
    await expect(failing.readTasks(buildDeclared('x'))).rejects.toThrow('no catalog');
    await expect(failing.readTasks(buildDeclared('x'))).rejects.toThrow('no catalog');
  });

  it('evicts the least recently used declarations', async () => {
    const { requests, readTasks } = createTestCache();
    await readTasks(buildDeclared('forgotten'));
    for (let count = 0; count < 300; count += 1) {
      await readTasks(buildDeclared('in use'));
      await readTasks(buildDeclared(`${count}`));
    }
    await readTasks(buildDeclared('in use'));
    expect(requests).toHaveLength(302);
    await readTasks(buildDeclared('forgotten'));
    expect(requests).toHaveLength(303);
  });

  it('does not cache long declarations', async () => {
    const { requests, readTasks } = createTestCache();
    const long = buildDeclared('x'.repeat(16 * 1024));
    await readTasks(long);
    await readTasks(long);
    expect(requests).toHaveLength(2);
  });
});
