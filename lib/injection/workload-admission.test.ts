import { describe, expect, it } from '@jest/globals';

import type { AdmissionRequest } from '../admission/review.ts';
import { succeed } from '../schema/field-error.ts';
import type { AdmissionDeps } from './admission-inputs.ts';
import { platform } from './fixtures/sample-platform.ts';
import { agentTasks } from './fixtures/injected-pods.ts';
import { buildInjectionTemplate } from './injection-template.ts';
import { evaluateWorkload } from './workload-admission.ts';

const deps: AdmissionDeps = {
  platform,
  published: () => buildInjectionTemplate(platform),
  templates: () => new Map(),
  readTasks: () => Promise.resolve(succeed(agentTasks)),
};
const buildTemplate = (spec: object = {}, key = 'task.valetkey.dev/summarize') => ({
  metadata: { annotations: { [key]: 'x' } },
  spec: { securityContext: { runAsNonRoot: true }, containers: [{ name: 'agent' }], ...spec },
});
const buildDeployment = (template: object, annotations: object = {}) => ({
  metadata: { name: 'agents', annotations },
  spec: { template },
});
const evaluate = (object: object, changes: Partial<AdmissionRequest> = {}) =>
  evaluateWorkload(
    {
      ...{ uid: 'u', operation: 'CREATE', subResource: '', namespace: 'research', name: 'agents' },
      kind: { group: 'apps', version: 'v1', kind: 'Deployment' },
      ...{ dryRun: false, user: { name: 'author', groups: [] }, object },
      ...changes,
    },
    deps,
  );

describe('evaluateWorkload', () => {
  it('admits a workload whose pods will be admitted without a warning', async () => {
    expect(await evaluate(buildDeployment(buildTemplate()))).toEqual({ allowed: true });
  });

  it('admits a workload whose pods will be refused, with a warning for each fault', async () => {
    const template = buildTemplate({ hostPID: true, hostNetwork: true });
    expect(await evaluate(buildDeployment(template))).toEqual({
      allowed: true,
      warnings: [
        expect.stringContaining('its pods will be refused: /spec/template/spec/host'),
        expect.stringContaining('its pods will be refused: /spec/template/spec/host'),
      ],
    });
  });

  it('finds the template of a CronJob', async () => {
    const template = buildTemplate({ hostPID: true });
    const { warnings } = await evaluate({ spec: { jobTemplate: { spec: { template } } } });
    expect(warnings).toEqual([
      expect.stringContaining('/spec/jobTemplate/spec/template/spec/hostPID'),
    ]);
  });

  it('evaluates an update only if it changes the template', async () => {
    const object = buildDeployment(buildTemplate({ hostPID: true }));
    const same = { operation: 'UPDATE', oldObject: { ...object, status: {} } } as const;
    expect(await evaluate(object, same)).toEqual({ allowed: true });
    const oldObject = buildDeployment(buildTemplate());
    const { allowed, warnings } = await evaluate(object, { operation: 'UPDATE', oldObject });
    expect([allowed, warnings?.length]).toEqual([true, 1]);
  });

  it('warns about a declaration beside the template', async () => {
    const annotations = { 'task.valetkey.dev/summarize': 'x' };
    const { warnings } = await evaluate(buildDeployment({ spec: { containers: [] } }, annotations));
    expect(warnings).toEqual([
      '/metadata/annotations/task.valetkey.dev~1summarize declares no task: move it to metadata.annotations of the pod template',
    ]);
  });

  it.each([
    ['the template', buildDeployment(buildTemplate({}, 'tasks.valetkey.dev/summarize'))],
    ['the workload', buildDeployment({}, { 'tasks.valetkey.dev/summarize': 'x' })],
    ['a pod', { kind: 'Pod', ...buildTemplate({ hostPID: true }, 'tasks.valetkey.dev/summarize') }],
  ])('warns about an annotation of %s that misses the prefix', async (_, object) => {
    expect(await evaluate(object)).toEqual({
      allowed: true,
      warnings: [
        'annotation tasks.valetkey.dev/summarize declares no task: did you mean task.valetkey.dev/summarize?',
      ],
    });
  });

  it('warns about eight faults and the number of the others', async () => {
    const containers = Array.from({ length: 12 }, (_, index) => ({
      ...{ name: `c-${index}`, image: 'a', securityContext: { privileged: true } },
    }));
    const { warnings = [] } = await evaluate(buildDeployment(buildTemplate({ containers })));
    expect(warnings).toHaveLength(9);
    expect(warnings.at(-1)).toMatch(/^and \d+ more: kubectl valetkey lint lists all$/);
  });
});
