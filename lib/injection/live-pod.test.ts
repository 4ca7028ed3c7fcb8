import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
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
 * As a real API server (1.35.4) answered: injected, defaulted, changed by a LimitRange, scheduled,
 * with its status. The profile stands beside it, as it stood in the ConfigMap then.
 */
const { profiles: data, pod } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures', 'live-pod.json'), 'utf8'),
) as { profiles: Record<string, string>; pod: unknown };
const { templates } = readTemplates(data);

const evaluateChangedPod = (...changes: readonly JsonPatchOp[]) =>
  evaluateLivePod(applyPatch(pod, changes), { platform: authorityPlatform, templates });

const listErrorLines = (...changes: readonly JsonPatchOp[]): readonly string[] => {
  const result = evaluateChangedPod(...changes);
  return result.ok ? [] : result.faults.map(formatFieldError);
};

const TASKS_PATH = `${SIDECAR}/env/14/value`;

describe('a live pod', () => {
  test('that was injected keeps every rule, and says what it was admitted for', () => {
    const result = evaluateChangedPod();
    if (!result.ok) throw new Error(result.faults.map(formatFieldError).join('\n'));
    expect(result.value.admitted).toMatchObject({
      consumers: ['agent', 'helper'],
      tasks: [{ name: 'summarize', role: 'arn:aws:iam::111122223333:role/agent-reports' }],
    });
    expect(result.value.templateHash).toBe(Object.keys(data)[0]);
    expect(result.value.pod.metadata?.name).toBe('agent');
  });

  test('is judged by its sidecar, not by annotations: those change without us', () => {
    const annotations = '/metadata/annotations';
    expect(listErrorLines(removeOp(annotations))).toEqual([]);
    expect(listErrorLines(addOp(`${annotations}/task.valetkey.dev~1more`, 'role: x'))).toEqual([]);
  });

  const broken: [string, string, JsonPatchOp][] = [
    ['2', 'another image of the sidecar', addOp(`${SIDECAR}/image`, 'evil:1')],
    ['2', 'a sidecar that was resized', addOp(`${SIDECAR}/resources/limits/memory`, '8Mi')],
    ['2', 'no sidecar', removeOp(SIDECAR)],
    ['2', 'a sidecar without tasks', removeOp(`${SIDECAR}/env/14`)],
    ['2', 'a profile that nobody published', addOp(`${SIDECAR}/env/13/value`, 'ab')],
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
  test.each(broken)('breaks rule %s by %s', (rule, _, change) => {
    const result = evaluateChangedPod(change);
    expect(result.ok).toBe(false);
    expect(result.ok ? [] : result.faults.map((fault) => fault.rule)).toContain(rule);
  });

  test('whose sidecar carries other tasks than can be read breaks rule 2, at that value', () => {
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

  test('whose tasks were written by another hand breaks rule 2', () => {
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

  test('that names a variable twice breaks rule 2: the kubelet takes the last', () => {
    const again = { name: 'VALETKEY_TASKS', value: '{}' };
    expect(listErrorLines(addOp(`${SIDECAR}/env/-`, again))).toEqual([
      expect.stringMatching(/env\/15: .*\(rule 2\)$/),
    ]);
  });

  describe('that breaks a rule', () => {
    const privileged = addOp(`${AGENT}/securityContext/privileged`, true);
    const keyed = addOp(`${AGENT}/env/-`, { name: 'AWS_ACCESS_KEY_ID', value: 'x' });
    const namespace = (pod as Pod).metadata?.namespace ?? '';
    const judgeIn = (changes: Partial<LivePodOptions>, change: JsonPatchOp) =>
      evaluateLivePod(applyPatch(pod, [change]), {
        ...{ platform: authorityPlatform, templates },
        ...changes,
      });

    test('from which the platform excepts its namespace is accepted, and says so', () => {
      const pods = { ...authorityPlatform.pods, exceptions: [{ namespace, rule: '4' as const }] };
      const result = judgeIn({ platform: { ...authorityPlatform, pods } }, privileged);
      expect(result).toMatchObject({
        ok: true,
        value: { exempted: { exceptions: ['4'], warned: [] } },
      });
    });

    test('of level restricted is accepted in a namespace of level baseline', () => {
      const pods = { ...authorityPlatform.pods, baselineNamespaces: [namespace] };
      const root = addOp(`${AGENT}/securityContext/runAsUser`, 0);
      expect(judgeIn({ platform: { ...authorityPlatform, pods } }, root).ok).toBe(true);
      expect(judgeIn({}, root).ok).toBe(false);
    });

    test('of foreign credentials is accepted while its namespace migrates', () => {
      const namespaceLabels = { 'valetkey.dev/mode': 'warn' };
      expect(judgeIn({ namespaceLabels }, keyed)).toMatchObject({
        ok: true,
        value: { exempted: { exceptions: [], warned: ['7'] } },
      });
      expect(judgeIn({ namespaceLabels }, privileged).ok).toBe(false);
      expect(judgeIn({}, keyed).ok).toBe(false);
    });

    test('by its service account is refused', () => {
      const annotations = { 'iam.gke.io/gcp-service-account': 'x' };
      const serviceAccount = { name: 'agent', annotations };
      const result = judgeIn({ serviceAccount }, addOp('/metadata/annotations/x', ''));
      expect(result).toMatchObject({ ok: false, faults: [{ rule: '7' }] });
    });
  });

  test('of a broken shape is no pod', () => {
    expect(evaluateLivePod({ spec: 7 }, { platform: authorityPlatform, templates }).ok).toBe(false);
  });
});
