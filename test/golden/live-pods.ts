import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import { authorityPlatform } from '../../lib/injection/fixtures/sample-platform.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { evaluateLivePod } from '../../lib/injection/live-pod.ts';
import { readTemplates } from '../../lib/injection/accepted-templates.ts';
import { faultPlace } from './outcomes.ts';

/** A pod as an API server (1.35) answered with it, and the injection templates published at that time. */
const { templates: data, pod } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'pods', 'live-pod.json'), 'utf8'),
) as { readonly templates: Record<string, string>; readonly pod: unknown };
const { templates } = readTemplates(data);

const SIDECAR = '/spec/initContainers/0';
const CONTAINER = { name: 'late', image: 'late:1' };

const CHANGES: Readonly<Record<string, readonly JsonPatchOp[]>> = {
  nothing: [],
  'no annotations': [{ op: 'remove', path: '/metadata/annotations' }],
  'another image': [{ op: 'add', path: `${SIDECAR}/image`, value: 'evil:1' }],
  'no sidecar': [{ op: 'remove', path: SIDECAR }],
  'no environment': [{ op: 'remove', path: `${SIDECAR}/env` }],
  'host network': [{ op: 'add', path: '/spec/hostNetwork', value: true }],
  'shared processes': [{ op: 'add', path: '/spec/shareProcessNamespace', value: true }],
  'an ephemeral container': [{ op: 'add', path: '/spec/ephemeralContainers', value: [CONTAINER] }],
  'another container': [{ op: 'add', path: '/spec/containers/-', value: CONTAINER }],
  'another label': [{ op: 'add', path: '/metadata/labels', value: { app: 'x' } }],
};

const evaluated = (changed: unknown): unknown => {
  const result = evaluateLivePod(changed, { platform: authorityPlatform, templates });
  if (!result.ok) return result.faults.map(faultPlace);
  const { admitted, templateHash } = result.value;
  return { admitted, profileHash: templateHash };
};

/** What the authority finds in a live pod, unchanged and changed. */
export const captureLivePods = (): object => ({
  ...Object.fromEntries(
    Object.entries(CHANGES).map(([name, changes]) => [name, evaluated(applyPatch(pod, changes))]),
  ),
  'no pod': [undefined, null, {}, []].map(evaluated),
  'invalid templates': Object.keys(data).length - templates.size,
});
