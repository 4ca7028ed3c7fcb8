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
  const asked: Declared[] = [];
  const readTasks = cacheTasks((each) => {
    asked.push(each);
    return Promise.resolve().then(answer);
  });
  return { asked, readTasks };
};

describe('cacheTasks', () => {
  it('reads equal declarations once', async () => {
    const { asked, readTasks } = createTestCache();
    const first = await readTasks(buildDeclared('x', { 'a.example/run': '1' }));
    expect(await readTasks(buildDeclared('x', { 'a.example/run': '2' }))).toBe(first);
    expect(asked).toHaveLength(1);
  });

  it('ignores other annotations', async () => {
    const { asked, readTasks } = createTestCache();
    await readTasks(buildDeclared('x', { 'a.example/run': '1' }));
    expect(asked).toEqual([buildDeclared('x')]);
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
    const { asked, readTasks } = createTestCache();
    await readTasks(buildDeclared('x'));
    await readTasks(other);
    expect(asked).toHaveLength(2);
  });

  it('does not cache faults and errors', async () => {
    const refused = createTestCache(() => fail([{ path: 'role', expected: 'x', got: 'y' }]));
    await refused.readTasks(buildDeclared('x'));
    expect(await refused.readTasks(buildDeclared('x'))).toMatchObject({ ok: false });
    expect(refused.asked).toHaveLength(2);

    const broken = createTestCache(() => {
      throw new Error('no catalogue');
    });
    await expect(broken.readTasks(buildDeclared('x'))).rejects.toThrow('no catalogue');
    await expect(broken.readTasks(buildDeclared('x'))).rejects.toThrow('no catalogue');
  });

  it('evicts the least recently used declarations', async () => {
    const { asked, readTasks } = createTestCache();
    await readTasks(buildDeclared('forgotten'));
    for (let count = 0; count < 300; count += 1) {
      await readTasks(buildDeclared('in use'));
      await readTasks(buildDeclared(`${count}`));
    }
    await readTasks(buildDeclared('in use'));
    expect(asked).toHaveLength(302);
    await readTasks(buildDeclared('forgotten'));
    expect(asked).toHaveLength(303);
  });

  it('does not cache long declarations', async () => {
    const { asked, readTasks } = createTestCache();
    const long = buildDeclared('x'.repeat(16 * 1024));
    await readTasks(long);
    await readTasks(long);
    expect(asked).toHaveLength(2);
  });
});
