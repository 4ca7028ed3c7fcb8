import { describe, expect, it } from '@jest/globals';

import { buildTask } from './fixtures/fake-exchange.ts';
import { renderTaskList } from './rendering.ts';
import { selectTask } from './task-selection.ts';

const tasks = [buildTask({ name: 'payroll', canary: true }), buildTask({ name: 'reports' })];
const [canary] = tasks;
const consumer = canary?.containers[0] ?? '';
const admitted = { consumers: [consumer], tasks };

describe('a canary beside other tasks', () => {
  it('does not count when the only task of a container is looked for', () => {
    expect(selectTask(admitted, { consumer, taskName: undefined })).toMatchObject({
      task: { name: 'reports' },
    });
    expect(
      selectTask({ ...admitted, tasks: tasks.slice(0, 1) }, { consumer, taskName: undefined }),
    ).toMatchObject({ kind: 'refusal', code: 'task_not_declared' });
  });

  it('can be started by its name, as any other task', () => {
    expect(selectTask(admitted, { consumer, taskName: 'payroll' })).toMatchObject({
      task: { name: 'payroll' },
    });
  });

  it('is listed as any other task', () => {
    const listed = renderTaskList(tasks).toString();
    expect(listed).toContain('payroll');
    expect(listed).not.toContain('canary');
  });
});
