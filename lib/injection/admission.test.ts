import { describe, expect, it } from '@jest/globals';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import type { Pod } from '../contract/pod.ts';
import { fail, succeed } from '../schema/field-error.ts';
import { platform } from './fixtures/sample-platform.ts';
import { buildAddedContainer } from './fixtures/rule-cases.ts';
import { agentPod, agentTasks, injectPod } from './fixtures/injected-pods.ts';
import { applyPatch } from './json-patch.ts';
import { evaluateAdmission } from './admission.ts';
import type { AdmissionDeps } from './admission-inputs.ts';
import type { EvaluatePolicy } from './task-policy.ts';
import type { ReadTasks } from './declared-tasks.ts';
import { buildInjectionTemplate } from './injection-template.ts';
import type { ReadPodContext, PodContext } from './pod-context.ts';

const readTasks: ReadTasks = () => Promise.resolve(succeed(agentTasks));
const failToReadTasks: ReadTasks = () =>
  Promise.resolve(
    fail([{ source: 'task.valetkey.dev/summarize', path: 'role', expected: 'x', got: 'y' }]),
  );

const createAdmission = (reading: ReadTasks = readTasks, changes: Partial<AdmissionDeps> = {}) => {
  const deps: AdmissionDeps = {
    platform,
    published: () => buildInjectionTemplate(platform),
    templates: () => new Map(),
    readTasks: reading,
    ...changes,
  };
  const evaluate = (stage: 'mutate' | 'validate') => async (request: AdmissionRequest) =>
    (await evaluateAdmission(stage, request, deps)).outcome;
  return { mutate: evaluate('mutate'), validate: evaluate('validate') };
};
const { mutate, validate } = createAdmission();

const buildRequest = (object: unknown, changes: Partial<AdmissionRequest> = {}) => ({
  uid: 'a-uid',
  operation: 'CREATE' as const,
  kind: { group: '', version: 'v1', kind: 'Pod' },
  subResource: '',
  namespace: 'research',
  name: '',
  dryRun: false,
  user: { name: 'author', groups: ['authors'] },
  object,
  ...changes,
});

/** The faults without the advice that follows them. */
const listMessageLines = ({ status }: AdmissionOutcome) =>
  status?.message.split('\n').filter((line) => !/^rule \d+: /.test(line));

const plain: Pod = { metadata: {}, spec: { hostPID: true, containers: [{ name: 'a' }] } };

describe('evaluateAdmission, mutate', () => {
  it('admits a pod without tasks unchanged', async () => {
    expect(await mutate(buildRequest(plain))).toEqual({ allowed: true });
  });

  it('admits an update unchanged', async () => {
    expect(await mutate(buildRequest(agentPod, { operation: 'UPDATE' }))).toEqual({
      allowed: true,
    });
  });

  it('records tasks, consumers and template in the audit annotations', async () => {
    expect(await mutate(buildRequest(agentPod))).toMatchObject({
      allowed: true,
      auditAnnotations: {
        tasks: 'summarize',
        consumers: 'agent,helper',
        profile: buildInjectionTemplate(platform).hash,
      },
    });
  });

  it('reports invalid declarations and reserved names together', async () => {
    const pod = { ...agentPod, spec: { ...agentPod.spec, volumes: [{ name: 'valetkey-x' }] } };
    const outcome = await createAdmission(failToReadTasks).mutate(buildRequest(pod));
    expect(listMessageLines(outcome)).toEqual([
      'task.valetkey.dev/summarize role: expected x, got y',
      '/spec/volumes/0/name: expected a name that does not begin with valetkey-, got "valetkey-x" (rule 1)',
    ]);
    expect(outcome.auditAnnotations).toEqual({ refused: 'declaration,1' });
  });

  it('refuses an injected pod whose sidecar another mutator changed', async () => {
    const operation: JsonPatchOp = { op: 'add', path: '/spec/initContainers/0/image', value: 'x' };
    const outcome = await mutate(buildRequest(applyPatch(injectPod(), [operation])));
    expect(listMessageLines(outcome)).toEqual([
      '/spec/initContainers/0/image: expected "registry.example/valetkey:0.1.0", got "x" (rule 2)',
    ]);
  });

  it('ignores violations of rule 3, which another mutator may still correct', async () => {
    const pod = { ...agentPod, spec: { ...agentPod.spec, hostPID: true } };
    expect(await mutate(buildRequest(pod))).toMatchObject({ allowed: true });
  });
});

describe('evaluateAdmission, validate', () => {
  it('admits a pod that is out of scope', async () => {
    expect(await validate(buildRequest(plain))).toEqual({ allowed: true });
  });

  it('refuses a pod that declares tasks but was not injected', async () => {
    const lines = listMessageLines(await validate(buildRequest(agentPod)));
    expect(lines?.[0]).toBe(
      '/spec/initContainers: expected exactly one valetkey-sidecar, as it was injected, got 0 (rule 2)',
    );
  });

  it('refuses a copy whose sidecar carries tasks that its annotations do not declare', async () => {
    const copy = applyPatch(injectPod(), [
      {
        op: 'replace',
        path: '/spec/initContainers/0/env/14/value',
        value: JSON.stringify({ consumers: ['agent', 'helper'], tasks: [{ role: 'admin' }] }),
      },
    ]);
    expect(listMessageLines(await validate(buildRequest(copy)))).toEqual([
      expect.stringMatching(/^\/spec\/initContainers\/0\/env\/14\/value: .* \(rule 2\)$/),
    ]);
  });

  it('refuses a copy without its annotations', async () => {
    const copy = applyPatch(injectPod(), [{ op: 'remove', path: '/metadata/annotations' }]);
    const outcome = await validate(buildRequest(copy));
    expect(listMessageLines(outcome)?.[0]).toMatch(/^\/metadata\/annotations: .* \(rule 1\)$/);
  });

  it('reports invalid declarations and violated rules, but not rule 2, which depends on the tasks', async () => {
    const pod = applyPatch(injectPod(), [{ op: 'add', path: '/spec/hostPID', value: true }]);
    const outcome = await createAdmission(failToReadTasks).validate(buildRequest(pod));
    expect(listMessageLines(outcome)).toEqual([
      'task.valetkey.dev/summarize role: expected x, got y',
      '/spec/hostPID: expected false or nothing, got true (rule 3)',
    ]);
  });

  it('compares an update with the old pod only', async () => {
    const operation = 'UPDATE';
    const oldObject = injectPod();
    const image = { op: 'add', path: '/spec/initContainers/0/image', value: 'x' } as const;
    const hostPID = { op: 'add', path: '/spec/hostPID', value: true } as const;
    const change = (patch: JsonPatchOp) =>
      validate(buildRequest(applyPatch(oldObject, [patch]), { operation, oldObject }));
    expect(listMessageLines(await change(image))).toEqual([
      '/spec/initContainers/0/image: expected "registry.example/valetkey:0.1.0", as it was admitted, got "x" (rule 8)',
    ]);
    expect(await change(hostPID)).toEqual({ allowed: true });
  });

  it('refuses an added ephemeral container in the subresource ephemeralcontainers', async () => {
    const [oldObject, operation, subResource] = [
      injectPod(),
      'UPDATE',
      'ephemeralcontainers',
    ] as const;
    const { securityContext } = buildAddedContainer();
    const value = [{ name: 'debug', image: 'busybox', securityContext }];
    const op: JsonPatchOp = { op: 'add', path: '/spec/ephemeralContainers', value };
    const request = buildRequest(applyPatch(oldObject, [op]), {
      operation,
      oldObject,
      subResource,
    });
    expect(listMessageLines(await validate(request))).toEqual([
      '/spec/ephemeralContainers/0: expected no ephemeral container in a pod with a sidecar, got "debug" (rule 9)',
    ]);
  });

  it('refuses an operation other than CREATE and UPDATE', async () => {
    expect(
      listMessageLines(await validate(buildRequest(injectPod(), { operation: 'CONNECT' }))),
    ).toEqual(['/request/operation: expected CREATE or UPDATE, got CONNECT']);
  });
});

describe('a refusal', () => {
  it('ends with the remedy of each violated rule, once', async () => {
    const pod = applyPatch(injectPod(), [
      { op: 'add', path: '/spec/hostPID', value: true },
      { op: 'add', path: '/spec/hostIPC', value: true },
      { op: 'add', path: '/metadata/labels/valetkey.dev~1x', value: '' },
    ]);
    const lines = (await validate(buildRequest(pod))).status?.message.split('\n') ?? [];
    expect(lines).toHaveLength(5);
    expect(lines.slice(3)).toEqual([
      expect.stringMatching(/^rule 1: .*annotations only$/),
      expect.stringMatching(/^rule 3: move node-level workloads to a separate pod/),
    ]);
  });
});

describe('the level of a namespace', () => {
  const pods = { ...platform.pods, baselineNamespaces: ['research'] };
  const lenient = createAdmission(readTasks, { platform: { ...platform, pods } });
  const rooted: Pod = {
    ...agentPod,
    spec: { ...agentPod.spec, securityContext: { runAsUser: 0 } },
  };

  it('decides which security defaults are set, and what is accepted afterwards', async () => {
    const { patch = '', warnings } = await lenient.mutate(buildRequest(rooted));
    expect(warnings?.[0]).toBe(
      'container prepare: securityContext defaults were set: capabilities: {drop: [NET_RAW]}, seccompProfile: {type: RuntimeDefault}',
    );
    const operations = JSON.parse(Buffer.from(patch, 'base64').toString()) as JsonPatchOp[];
    const pod = applyPatch(rooted, operations);
    expect(await lenient.validate(buildRequest(pod))).toMatchObject({ allowed: true });
    const elsewhere = await lenient.validate(buildRequest(pod, { namespace: 'other' }));
    expect(elsewhere.auditAnnotations).toEqual({ refused: '4' });
  });
});

describe('an exemption', () => {
  const ruleExemptions = [
    { namespace: 'research', rule: '3' },
    { namespace: 'research', rule: '1' },
    { namespace: 'research', rule: '8' },
  ] as const;
  const excepting = createAdmission(readTasks, {
    platform: { ...platform, pods: { ...platform.pods, ruleExemptions } },
  });
  const shared = applyPatch(injectPod(), [
    { op: 'add', path: '/spec/shareProcessNamespace', value: true },
  ]);

  it('admits the pod with a warning and an audit annotation', async () => {
    expect(await excepting.validate(buildRequest(shared))).toEqual({
      allowed: true,
      warnings: [
        'exempted by the platform: /spec/shareProcessNamespace: expected false or nothing, got true (rule 3)',
      ],
      auditAnnotations: { tasks: 'summarize', consumers: 'agent,helper', exemptions: '3' },
    });
  });

  it('applies in its namespace only', async () => {
    const outcome = await excepting.validate(buildRequest(shared, { namespace: 'other' }));
    expect(outcome.allowed).toBe(false);
  });

  it('from rule 1 applies to mutation too', async () => {
    const labels = { 'valetkey.dev/x': '' };
    const pod = { ...agentPod, metadata: { ...agentPod.metadata, labels } };
    expect(await excepting.mutate(buildRequest(pod))).toMatchObject({ allowed: true });
    expect(await mutate(buildRequest(pod))).toMatchObject({ allowed: false });
  });

  it('from rule 8 admits an update with a warning', async () => {
    const op: JsonPatchOp = { op: 'remove', path: '/metadata/annotations' };
    const changed = { operation: 'UPDATE', oldObject: injectPod() } as const;
    expect(
      await excepting.validate(buildRequest(applyPatch(injectPod(), [op]), changed)),
    ).toMatchObject({
      allowed: true,
      warnings: [expect.stringMatching(/^exempted by the platform: .*\(rule 8\)$/)],
      auditAnnotations: { exemptions: '8' },
    });
  });
});

describe('the pod context', () => {
  const bound = { name: 'default', annotations: { 'eks.amazonaws.com/role-arn': 'arn' } };
  const withPodContext = (podContext: PodContext | undefined) => {
    const requests: unknown[] = [];
    const readPodContext: ReadPodContext = (pod) => {
      requests.push(pod);
      return Promise.resolve(podContext);
    };
    return { requests, ...createAdmission(readTasks, { readPodContext }) };
  };

  it('refuses a pod whose service account is bound to a role of another mechanism', async () => {
    const { validate: evaluate, requests } = withPodContext({ serviceAccount: bound });
    expect(listMessageLines(await evaluate(buildRequest(injectPod())))).toEqual([
      expect.stringMatching(
        /^ServiceAccount research\/default \/metadata\/annotations\/eks.amazonaws.com~1role-arn: .*\(rule 7\)$/,
      ),
    ]);
    expect(requests).toEqual([{ namespace: 'research', serviceAccount: 'default' }]);
  });

  it('admits such a pod with a warning while its namespace migrates', async () => {
    const labels = { 'valetkey.dev/mode': 'warn' };
    const { validate: evaluate } = withPodContext({ serviceAccount: bound, labels });
    expect(await evaluate(buildRequest(injectPod()))).toMatchObject({
      allowed: true,
      warnings: [expect.stringMatching(/^refused once valetkey.dev\/mode is no longer warn: /)],
      auditAnnotations: { warned: '7' },
    });
    const shared = applyPatch(injectPod(), [{ op: 'add', path: '/spec/hostPID', value: true }]);
    expect((await evaluate(buildRequest(shared))).auditAnnotations).toEqual({ refused: '3' });
  });

  it('returns 503 if the service account cannot be read', async () => {
    const { validate: evaluate } = withPodContext(undefined);
    expect(await evaluate(buildRequest(injectPod()))).toMatchObject({
      allowed: false,
      status: { code: 503 },
    });
  });

  it('is not read for a pod that is out of scope', async () => {
    const { validate: evaluate, requests } = withPodContext({});
    await evaluate(buildRequest(plain));
    expect(requests).toEqual([]);
  });
});

describe('the break-glass group', () => {
  const pods = { ...platform.pods, breakGlassGroup: 'oncall' };
  const glass = createAdmission(readTasks, { platform: { ...platform, pods } });
  const join = (groups: readonly string[], container: object = {}) => {
    const { securityContext } = buildAddedContainer();
    const value = [{ name: 'debug', image: 'busybox', securityContext, ...container }];
    const op: JsonPatchOp = { op: 'add', path: '/spec/ephemeralContainers', value };
    const changed = {
      operation: 'UPDATE',
      oldObject: injectPod(),
      subResource: 'ephemeralcontainers',
      user: { name: 'ada', groups },
    } as const;
    return glass.validate(buildRequest(applyPatch(injectPod(), [op]), changed));
  };

  it('may add a container, with a warning and the name of the user in the audit log', async () => {
    expect(await join(['oncall'])).toEqual({
      allowed: true,
      warnings: [
        expect.stringMatching(/^break-glass: .* with debug in it; replace it afterwards$/),
      ],
      auditAnnotations: { 'break-glass': 'ada adds debug' },
    });
  });

  it('excludes other groups, and no member may target the sidecar', async () => {
    expect((await join(['authors'])).auditAnnotations).toEqual({ refused: '9' });
    const target = { targetContainerName: 'valetkey-sidecar' };
    expect((await join(['oncall'], target)).auditAnnotations).toEqual({ refused: '9' });
  });
});

describe('the subresource resize', () => {
  it('refuses less memory for the sidecar', async () => {
    const path = '/spec/initContainers/0/resources/limits/memory';
    const op: JsonPatchOp = { op: 'replace', path, value: '8Mi' };
    const changed = { operation: 'UPDATE', oldObject: injectPod(), subResource: 'resize' } as const;
    expect(
      listMessageLines(await validate(buildRequest(applyPatch(injectPod(), [op]), changed))),
    ).toEqual([`${path}: expected "96Mi", as it was admitted, got "8Mi" (rule 10)`]);
  });
});

describe('without an injection template', () => {
  const uninformed = createAdmission(readTasks, { published: () => undefined });

  it('returns 503 for a pod that declares tasks', async () => {
    expect(await uninformed.mutate(buildRequest(agentPod))).toMatchObject({
      allowed: false,
      status: { code: 503 },
    });
  });

  it('admits other pods unchanged', async () => {
    expect(await uninformed.mutate(buildRequest(plain))).toEqual({ allowed: true });
  });

  it('compares a pod that another replica injected with the published templates', async () => {
    const lines = listMessageLines(await uninformed.validate(buildRequest(injectPod())));
    expect(lines).toEqual([expect.stringMatching(/accepted injection template, .* \(rule 2\)$/)]);
    const { hash, template } = buildInjectionTemplate(platform);
    const templates = () => new Map([[hash, template]]);
    const informed = createAdmission(readTasks, { published: () => undefined, templates });
    expect(await informed.validate(buildRequest(injectPod()))).toMatchObject({ allowed: true });
  });
});

describe('task policy', () => {
  const withPolicy = (result: Partial<Awaited<ReturnType<EvaluatePolicy>>>) => {
    const requests: Parameters<EvaluatePolicy>[0][] = [];
    const evaluatePolicy: EvaluatePolicy = (policyRequest) => {
      requests.push(policyRequest);
      return Promise.resolve({ faults: [], warnings: [], ...result });
    };
    return { requests, ...createAdmission(readTasks, { evaluatePolicy }) };
  };
  const fault = { path: '(policy)', expected: 'x', got: 'y', rule: 'policy' };

  it('refuses a new pod, together with every violated rule', async () => {
    const { validate: evaluate, requests } = withPolicy({ faults: [fault] });
    const outcome = await evaluate(
      buildRequest(applyPatch(injectPod(), [{ op: 'add', path: '/spec/hostPID', value: true }])),
    );
    expect(listMessageLines(outcome)).toEqual([
      '/spec/hostPID: expected false or nothing, got true (rule 3)',
      '(policy): expected x, got y (rule policy)',
    ]);
    expect(outcome.auditAnnotations).toEqual({ refused: '3,policy' });
    expect(requests).toEqual([
      { namespace: 'research', serviceAccount: 'default', tasks: agentTasks },
    ]);
  });

  it('receives the service account of the pod', async () => {
    const { validate: evaluate, requests } = withPolicy({});
    const change = { op: 'add', path: '/spec/serviceAccountName', value: 'agent' } as const;
    await evaluate(buildRequest(applyPatch(injectPod(), [change])));
    expect(requests).toMatchObject([{ serviceAccount: 'agent' }]);
  });

  it('adds its warnings to the response', async () => {
    const { validate: evaluate } = withPolicy({ warnings: ['it depends'] });
    expect(await evaluate(buildRequest(injectPod()))).toMatchObject({
      allowed: true,
      warnings: ['it depends'],
    });
  });

  it('is not evaluated for updates and invalid declarations', async () => {
    const { validate: evaluate, requests } = withPolicy({ faults: [fault] });
    const update = buildRequest(injectPod(), { operation: 'UPDATE', oldObject: injectPod() });
    expect(await evaluate(update)).toEqual({ allowed: true });
    const evaluatePolicy: EvaluatePolicy = () => Promise.reject(new Error('requests'));
    const outcome = await createAdmission(failToReadTasks, { evaluatePolicy }).validate(
      buildRequest(injectPod()),
    );
    expect(listMessageLines(outcome)).toEqual([
      'task.valetkey.dev/summarize role: expected x, got y',
    ]);
    expect(requests).toEqual([]);
  });
});

describe('evaluateAdmission, mutate and validate', () => {
  it.each(['mutate', 'validate'] as const)(
    '%s refreshes the templates if the pod names one',
    async (stage) => {
      const requested: string[] = [];
      const evaluate = createAdmission(readTasks, {
        refreshIfUnknown: (hash) => Promise.resolve(void requested.push(hash)),
      })[stage];
      await evaluate(buildRequest(agentPod));
      expect(requested).toEqual([]);
      await evaluate(buildRequest(injectPod()));
      expect(requested).toEqual([buildInjectionTemplate(platform).hash]);
    },
  );

  const deployment = { group: 'apps', version: 'v1', kind: 'Deployment' };

  it.each([
    ['mutating', mutate],
    ['validating', validate],
  ])('returns 400 for another kind (%s)', async (_, answer) => {
    expect(await answer(buildRequest({}, { kind: deployment }))).toMatchObject({
      allowed: false,
      status: { code: 400, message: 'expected a Pod of v1, got apps/v1 Deployment' },
    });
  });

  it.each([
    ['mutating', mutate],
    ['validating', validate],
  ])('refuses a malformed pod (%s)', async (_, answer) => {
    const malformed = { metadata: {}, spec: { containers: {} } };
    expect(listMessageLines(await answer(buildRequest(malformed)))).toEqual([
      '/spec/containers: expected a list, got {}',
    ]);
  });
});
