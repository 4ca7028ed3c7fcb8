import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import { readTemplates } from '../injection/accepted-templates.ts';
import { authorityPlatform } from '../injection/fixtures/sample-platform.ts';
import { applyPatch } from '../injection/json-patch.ts';
import { createPodEvaluator } from './pod-evaluation.ts';

const { templates: data, pod } = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'injection', 'fixtures', 'live-pod.json'), 'utf8'),
) as { templates: Record<string, string>; pod: unknown };

const account = { name: 'agent', annotations: {} };
const readLabels = () => Promise.resolve({});
/** Shares the host's network, which rule 3 refuses. */
const refusedChange: JsonPatchOp = { op: 'add', path: '/spec/hostNetwork', value: true };
const nextVersion: JsonPatchOp = {
  op: 'add',
  path: '/metadata/resourceVersion',
  value: 'of another state',
};

const createEvaluator = () => {
  let { templates } = readTemplates(data);
  const evaluate = createPodEvaluator(authorityPlatform, () => templates);
  return {
    evaluate: (changes: readonly JsonPatchOp[] = [], serviceAccount = account) =>
      evaluate(applyPatch(pod, changes), { serviceAccount, readLabels }),
    withdrawTemplates: () => (templates = new Map()),
  };
};

describe('createPodEvaluator', () => {
  it('returns the same result for a state of a pod that passed before', async () => {
    const { evaluate } = createEvaluator();
    const first = await evaluate();
    expect(first).toMatchObject({ ok: true, value: { templateHash: Object.keys(data)[0] } });
    expect(await evaluate()).toBe(first);
  });

  it('evaluates each state of a pod: a later one is refused', async () => {
    const { evaluate } = createEvaluator();
    await evaluate();
    expect(await evaluate([refusedChange, nextVersion])).toMatchObject({ ok: false });
  });

  it('evaluates a pod again whose service account got an identity of a cloud', async () => {
    const { evaluate } = createEvaluator();
    await evaluate();
    const annotations = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/admin' };
    expect(await evaluate([], { name: 'agent', annotations })).toMatchObject({ ok: false });
  });

  it('evaluates a pod again when the injection templates change', async () => {
    const { evaluate, withdrawTemplates } = createEvaluator();
    await evaluate();
    withdrawTemplates();
    expect(await evaluate()).toMatchObject({ ok: false });
  });

  it('remembers no refusal: labels of the namespace may exempt the pod meanwhile', async () => {
    const { evaluate } = createEvaluator();
    const first = await evaluate([refusedChange]);
    expect(first).toMatchObject({ ok: false });
    expect(await evaluate([refusedChange])).not.toBe(first);
  });

  it('remembers nothing of a pod without a resourceVersion', async () => {
    const { evaluate } = createEvaluator();
    const unversioned: JsonPatchOp = { op: 'remove', path: '/metadata/resourceVersion' };
    const first = await evaluate([unversioned]);
    expect(first).toMatchObject({ ok: true });
    expect(await evaluate([unversioned])).not.toBe(first);
  });
});
