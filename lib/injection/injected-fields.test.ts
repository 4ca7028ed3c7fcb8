import { describe, expect, it } from '@jest/globals';
import { SIDECAR_ENV } from '../contract/environment.ts';
import type { AdmittedTasks, Task } from '../contract/task.ts';
import { buildTask, platform, TRUST_BUNDLE } from './fixtures/sample-platform.ts';
import { buildInjectedFields } from './injected-fields.ts';
import { buildInjectionTemplate, toEnvironmentJson } from './injection-template.ts';

const published = buildInjectionTemplate(platform, TRUST_BUNDLE);

const readTasksValue = (admitted: AdmittedTasks): string | undefined =>
  buildInjectedFields(published, admitted).sidecar.env?.find(
    ({ name }) => name === SIDECAR_ENV.tasks,
  )?.value;

const countReads = (task: Task): { readonly task: Task; readonly reads: () => number } => {
  let reads = 0;
  const purpose = {
    enumerable: true,
    get: () => {
      reads += 1;
      return 'a price in $';
    },
  };
  return { task: Object.defineProperty({ ...task }, 'purpose', purpose), reads: () => reads };
};

describe('buildInjectedFields', () => {
  it('writes the consumers of each pod beside the tasks that pods share', () => {
    const tasks = [buildTask('summarize', ['agent', 'helper'])];
    for (const consumers of [['agent', 'helper'], ['helper', 'agent'], ['agent']]) {
      const admitted = { consumers, tasks };
      expect(readTasksValue(admitted)).toBe(toEnvironmentJson(admitted));
    }
  });

  it('writes the tasks of one list once, and those of another list again', () => {
    const { task, reads } = countReads(buildTask('summarize', ['agent']));
    const tasks = [task];
    const first = readTasksValue({ consumers: ['agent'], tasks });
    const once = reads();
    expect(readTasksValue({ consumers: ['agent'], tasks })).toBe(first);
    expect(reads()).toBe(once);
    const other = { consumers: ['agent'], tasks: [{ ...task, lifetimeSeconds: 1 }] };
    expect(readTasksValue(other)).toBe(toEnvironmentJson(other));
    expect(readTasksValue(other)).not.toBe(first);
  });
});
