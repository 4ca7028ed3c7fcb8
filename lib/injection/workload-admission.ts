import { isDeepStrictEqual } from 'node:util';

import { allowed } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import { formatFieldError, type FieldError } from '../schema/field-error.ts';
import { toMapping, type Mapping } from '../schema/mapping.ts';
import { evaluateAdmission } from './admission.ts';
import type { AdmissionDeps } from './admission-inputs.ts';
import { findNearMisses } from './near-misses.ts';
import { findEmbeddedPods, toPointer } from './embedded-pods.ts';

/** The API server truncates longer lists. */
const MAX_WARNINGS = 8;
const POD_KIND = { group: '', version: 'v1', kind: 'Pod' } as const;

/**
 * Warns the author of a workload about pods that admission will refuse: its controller creates them,
 * and only the controller sees the refusals. It never refuses the workload, because the platform may
 * change before a pod is created.
 *
 * @throws what `deps` throw; the caller admits the workload then
 */
export const evaluateWorkload = async (
  request: AdmissionRequest,
  deps: AdmissionDeps,
): Promise<AdmissionOutcome> => {
  const { pods, stray } = findEmbeddedPods(toMapping(request.object));
  const former = findEmbeddedPods(toMapping(request.oldObject));
  const mistaken = [...new Set([{ template: request.object }, ...pods].flatMap(findMistakes))];
  // The webhooks for pods evaluate a Pod.
  const templates = pods.filter(({ at }) => at.length > 0);
  const changed = templates.filter(
    ({ template }) => !former.pods.some((each) => isDeepStrictEqual(each.template, template)),
  );
  const results = await Promise.all(
    changed.map(({ template, at }) => evaluateTemplate(template, toPointer(at), request, deps)),
  );
  const lines = [
    ...mistaken,
    ...stray.map((path) => `${toPointer(path)} declares no task: ${STRAY_ADVICE}`),
    ...results.flat().map((fault) => `its pods will be refused: ${formatFieldError(fault)}`),
  ];
  const more = lines.length - MAX_WARNINGS;
  const rest = more > 0 ? [`and ${more} more: kubectl valetkey lint lists all`] : [];
  return allowed({ warnings: [...lines.slice(0, MAX_WARNINGS), ...rest] });
};

const findMistakes = ({ template }: { readonly template: unknown }): readonly string[] =>
  findNearMisses(toMapping(toMapping(toMapping(template)['metadata'])['annotations']));

const STRAY_ADVICE = 'move it to metadata.annotations of the pod template';

/** Evaluates the pod that the controller would create; paths are those of the workload. */
const evaluateTemplate = async (
  template: Mapping,
  at: string,
  request: AdmissionRequest,
  deps: AdmissionDeps,
): Promise<readonly FieldError[]> => {
  const { name } = toMapping(toMapping(request.object)['metadata']);
  const object = { ...template, metadata: { name, ...toMapping(template['metadata']) } };
  const creation = { ...request, operation: 'CREATE' as const, kind: POD_KIND, object };
  delete creation.oldObject;
  const { decision } = await evaluateAdmission('preview', creation, deps);
  return (decision?.faults ?? []).map((fault) =>
    fault.source === undefined && fault.path.startsWith('/')
      ? { ...fault, path: `${at}${fault.path}` }
      : fault,
  );
};
