import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import type { Pod } from '../contract/pod.ts';
import { formatFieldError } from '../schema/field-error.ts';
import {
  AGENT,
  PREPARE,
  SIDECAR,
  addOp,
  buildAddedContainer,
  removeOp,
} from './fixtures/rule-cases.ts';
import { authorityPlatform } from './fixtures/sample-platform.ts';
import { applyPatch } from './json-patch.ts';
import { evaluateLivePod, type LivePodOptions } from './live-pod.ts';
import { readTemplates } from './accepted-templates.ts';

/**
 * The response of a real API server (1.35.4): injected, with defaults, changed by a LimitRange,
 * scheduled, with a status. The file also has the template from the ConfigMap.
 */
const { templates: data, pod } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures', 'live-pod.json'), 'utf8'),
) as { templates: Record<string, string>; pod: unknown };
const { templates } = readTemplates(data);

const evaluateChangedPod = (...changes: readonly JsonPatchOp[]) =>
  evaluateLivePod(applyPatch(pod, changes), { platform: authorityPlatform, templates });

const listErrorLines = (...changes: readonly JsonPatchOp[]): readonly string[] => {
  const result = evaluateChangedPod(...changes);
  return result.ok ? [] : result.faults.map(formatFieldError);
};

const TASKS_PATH = `${SIDECAR}/env/14/value`;

describe('evaluateLivePod', () => {
  it('accepts an injected pod and returns its admitted tasks', () => {
    const result = evaluateChangedPod();
    if (!result.ok) throw new Error(result.faults.map(formatFieldError).join('\n'));
    expect(result.value.admitted).toMatchObject({
      consumers: ['agent', 'helper'],
      tasks: [{ name: 'summarize', role: 'arn:aws:iam::111122223333:role/agent-reports' }],
    });
    expect(result.value.templateHash).toBe(Object.keys(data)[0]);
    expect(result.value.pod.metadata?.name).toBe('agent');
  });

  it('reads tasks from the sidecar and not from annotations, which may change', () => {
    const annotations = '/metadata/annotations';
    expect(listErrorLines(removeOp(annotations))).toEqual([]);
    expect(listErrorLines(addOp(`${annotations}/task.valetkey.dev~1more`, 'role: x'))).toEqual([]);
  });

  const violations: [string, string, JsonPatchOp][] = [
    ['2', 'another image of the sidecar', addOp(`${SIDECAR}/image`, 'evil:1')],
    ['2', 'a sidecar that was resized', addOp(`${SIDECAR}/resources/limits/memory`, '8Mi')],
    ['2', 'no sidecar', removeOp(SIDECAR)],
    ['2', 'a sidecar without tasks', removeOp(`${SIDECAR}/env/14`)],
    ['2', 'a template that was not published', addOp(`${SIDECAR}/env/13/value`, 'ab')],
    ['3', 'a shared process namespace', addOp('/spec/shareProcessNamespace', true)],
    [
      '3',
      'an alias for the authority',
      addOp('/spec/hostAliases', [{ hostnames: ['valetkey-authority.valetkey.svc'] }]),
    ],
    ['4', 'a privilege', addOp(`${AGENT}/securityContext/privileged`, true)],
    ['5', 'a folder of the node', addOp('/spec/volumes/-', { name: 'x', hostPath: { path: '/' } })],
    [
      '6',
      'the token in another container',
      addOp(`${PREPARE}/volumeMounts`, [{ name: 'valetkey-token', mountPath: '/x' }]),
    ],
    ['7', 'a key of its own', addOp(`${AGENT}/env/-`, { name: 'AWS_ACCESS_KEY_ID', value: 'x' })],
    ['9', 'an ephemeral container', addOp('/spec/ephemeralContainers', [buildAddedContainer()])],
  ];
  it.each(violations)('reports a violation of rule %s: %s', (rule, _, change) => {
    const result = evaluateChangedPod(change);
    expect(result.ok).toBe(false);
    expect(result.ok ? [] : result.faults.map((fault) => fault.rule)).toContain(rule);
  });

  it('reports a violation of rule 2 at the value if the tasks cannot be parsed', () => {
    const others = [
      'no JSON',
      '{"consumers":["agent"],"tasks":[]}',
      '{"consumers":["agent","helper"],"tasks":[{"role":"admin"}]}',
    ];
    for (const text of others) {
      const lines = listErrorLines(addOp(TASKS_PATH, text));
      expect(lines[0]?.startsWith(TASKS_PATH)).toBe(true);
      expect(lines[0]?.endsWith('(rule 2)')).toBe(true);
    }
  });

  it('reports a violation of rule 2 if the tasks are not in canonical form', () => {
    const { value } = (pod as { spec: { initContainers: { env: { value: string }[] }[] } }).spec
      .initContainers[0]?.env[14] ?? { value: '' };
    expect(listErrorLines(addOp(TASKS_PATH, `${value} `))).toEqual([
      expect.stringMatching(new RegExp(`^${TASKS_PATH}: .*\\(rule 2\\)$`)),
    ]);
    const forged = value.replace('"containers":["agent","helper"]', '"containers":["agent"]');
    expect(listErrorLines(addOp(TASKS_PATH, forged))).toEqual([
      expect.stringMatching(/consumers.*\(rule 2\)$/),
    ]);
  });

  it('reports a violation of rule 2 if a variable is set twice, because the kubelet uses the last', () => {
    const again = { name: 'VALETKEY_TASKS', value: '{}' };
    expect(listErrorLines(addOp(`${SIDECAR}/env/-`, again))).toEqual([
      expect.stringMatching(/env\/15: .*\(rule 2\)$/),
    ]);
  });

  describe('for a violated rule', () => {
    const privileged = addOp(`${AGENT}/securityContext/privileged`, true);
    const keyed = addOp(`${AGENT}/env/-`, { name: 'AWS_ACCESS_KEY_ID', value: 'x' });
    const namespace = (pod as Pod).metadata?.namespace ?? '';
    const evaluateIn = (changes: Partial<LivePodOptions>, change: JsonPatchOp) =>
      evaluateLivePod(applyPatch(pod, [change]), {
        ...{ platform: authorityPlatform, templates },
        ...changes,
      });

    it('accepts the pod and reports the exemption of its namespace', () => {
      const pods = {
        ...authorityPlatform.pods,
        ruleExemptions: [{ namespace, rule: '4' as const }],
      };
      const result = evaluateIn({ platform: { ...authorityPlatform, pods } }, privileged);
      expect(result).toMatchObject({
        ok: true,
        value: { exempted: { exemptions: ['4'], warned: [] } },
      });
    });

    it('accepts a violation of level restricted in a namespace with level baseline', () => {
      const pods = { ...authorityPlatform.pods, baselineNamespaces: [namespace] };
      const root = addOp(`${AGENT}/securityContext/runAsUser`, 0);
      expect(evaluateIn({ platform: { ...authorityPlatform, pods } }, root).ok).toBe(true);
      expect(evaluateIn({}, root).ok).toBe(false);
    });

    it('names the key of another service that the platform admits, and refuses it otherwise', () => {
      const key = addOp(`${AGENT}/env/-`, { name: 'HF_TOKEN', value: 'a-secret' });
      const result = evaluateIn({}, key);
      expect(result).toMatchObject({
        ok: true,
        value: {
          exempted: { exemptions: [], warned: [] },
          allowedViolations: [expect.stringContaining('variable "HF_TOKEN" of container "agent"')],
        },
      });
      const pods = { ...authorityPlatform.pods, foreignKeys: 'refuse' as const };
      expect(evaluateIn({ platform: { ...authorityPlatform, pods } }, key).ok).toBe(false);
    });

    it('accepts foreign credentials while the namespace migrates', () => {
      const namespaceLabels = { 'valetkey.dev/mode': 'warn' };
      expect(evaluateIn({ namespaceLabels }, keyed)).toMatchObject({
        ok: true,
        value: { exempted: { exemptions: [], warned: ['7'] } },
      });
      expect(evaluateIn({ namespaceLabels }, privileged).ok).toBe(false);
      expect(evaluateIn({}, keyed).ok).toBe(false);
    });

    it('refuses a service account with a role binding', () => {
      const annotations = { 'iam.gke.io/gcp-service-account': 'x' };
      const serviceAccount = { name: 'agent', annotations };
      const result = evaluateIn({ serviceAccount }, addOp('/metadata/annotations/x', ''));
      expect(result).toMatchObject({ ok: false, faults: [{ rule: '7' }] });
    });
  });

  it('refuses a malformed pod', () => {
    expect(evaluateLivePod({ spec: 7 }, { platform: authorityPlatform, templates }).ok).toBe(false);
  });
});
