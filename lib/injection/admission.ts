import { allowed, denied, errored } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { Pod } from '../contract/pod.ts';
import { formatFieldError, type FieldError } from '../schema/field-error.ts';
import {
  buildRuleContext,
  evaluatePolicy,
  readPodContext,
  readTasks,
  refreshTemplates,
  type Admission,
  type AdmissionDeps,
} from './admission-inputs.ts';
import {
  buildAuditAnnotations,
  buildBreakGlassNotes,
  createUnavailableDecision,
  toAuthoredPaths,
  toOutcome,
  type AdmissionDecision,
} from './admission-outcome.ts';
import { hasTaskDeclarations, isInjected } from './consumers.ts';
import { applyExemptions, type ExemptionResult } from './exemptions.ts';
import { planInjection } from './injection-plan.ts';
import { applyPatch } from './json-patch.ts';
import { buildPatch } from './patch.ts';
import { getServiceAccountName } from './pod-context.ts';
import { parsePod } from './pod-schema.ts';
import { evaluateRules } from './rules/rule-evaluation.ts';
import { buildSidecarMove } from './sidecar-place.ts';
import { isInScope } from './webhook-scope.ts';

/**
 * `mutate` and `validate` are the API server's calls. `preview` runs both in sequence, for a
 * manifest that is not applied yet.
 */
export type AdmissionStage = 'mutate' | 'validate' | 'preview';

export type AdmissionResult = {
  /** The response to the API server. */
  readonly outcome: AdmissionOutcome;
  /** What the outcome was built from. Absent: the object is out of scope, or not a Pod. */
  readonly decision?: AdmissionDecision;
};

/**
 * Evaluates the admission of a pod, on CREATE and on UPDATE. It has no side effects, so a dry run is
 * evaluated like any other request.
 *
 * @throws what `deps` throw; the caller answers with an internal error
 */
export const evaluateAdmission = async (
  stage: AdmissionStage,
  request: AdmissionRequest,
  deps: AdmissionDeps,
): Promise<AdmissionResult> => {
  const { kind, operation } = request;
  if (kind.group !== '' || kind.version !== 'v1' || kind.kind !== 'Pod') {
    const got = `${kind.group}/${kind.version} ${kind.kind}`;
    return { outcome: errored(400, `expected a Pod of v1, got ${got}`) };
  }
  if (operation !== 'CREATE' && operation !== 'UPDATE') {
    return reject([{ path: '/request/operation', expected: 'CREATE or UPDATE', got: operation }]);
  }
  const pod = parsePod(request.object);
  if (!pod.ok) return reject(pod.faults);
  const oldPod = request.oldObject === undefined ? undefined : parsePod(request.oldObject);
  if (oldPod?.ok === false) return reject(oldPod.faults);
  const subject = { request, phase: operation, pod: pod.value, oldPod: oldPod?.value };
  if (!isInScope(subject, deps.platform) || (stage === 'mutate' && !isInjectable(subject))) {
    return { outcome: allowed() };
  }
  await refreshTemplates(subject, deps);
  const tasks = await readTasks(subject, deps);
  const decision = await evaluateStage(stage, { ...subject, tasks }, deps);
  return { decision, outcome: toOutcome(decision) };
};

const evaluateStage = (
  stage: AdmissionStage,
  admission: Admission,
  deps: AdmissionDeps,
): AdmissionDecision | Promise<AdmissionDecision> => {
  switch (stage) {
    case 'mutate':
      return mutateOrListFaults(admission, deps);
    case 'validate':
      return validate(admission, deps);
    case 'preview':
      return preview(admission, deps);
  }
};

/** Only a new pod that declares tasks is injected. */
const isInjectable = ({ phase, pod }: Pick<Admission, 'phase' | 'pod'>): boolean =>
  phase === 'CREATE' && hasTaskDeclarations(pod);

/**
 * Of a pod that mutation refuses anyway, all faults are listed, as far as they can be found without the
 * mutators that follow: the author need not learn them one by one.
 */
const mutateOrListFaults = async (
  admission: Admission,
  deps: AdmissionDeps,
): Promise<AdmissionDecision> => {
  const mutated = mutate(admission, deps);
  if (mutated.faults.length === 0) return mutated;
  const { faults, unavailable } = await preview(admission, deps);
  const added = faults.filter((fault) => !mutated.faults.some((each) => isSame(each, fault)));
  return unavailable === undefined
    ? { ...mutated, faults: [...mutated.faults, ...added] }
    : mutated;
};

const isSame = (one: FieldError, other: FieldError): boolean =>
  formatFieldError(one) === formatFieldError(other);

/** Plans the injection even of a pod that is refused: a preview continues with it. */
const mutate = (admission: Admission, deps: AdmissionDeps): AdmissionDecision => {
  const { request, tasks } = admission;
  const { platform } = deps;
  const { namespace, user } = request;
  const published = deps.published();
  if (published === undefined) return createUnavailableDecision(NO_TEMPLATE);
  const move = buildSidecarMove(admission.pod);
  const pod = move.length === 0 ? admission.pod : (applyPatch(admission.pod, move) as Pod);
  const { refusals } = checkReservedNames({ ...admission, pod }, deps);
  const declared = tasks.ok ? tasks.value : [];
  const plan = planInjection({
    pod,
    tasks: declared,
    platform,
    published,
    namespace,
    user: user.name,
    findUpstreamUrl: deps.findUpstreamUrl,
  });
  const faults = [...(tasks.ok ? [] : tasks.faults), ...refusals];
  const base = { tasks: declared, exempted: [], serviceAccount: getServiceAccountName(pod) };
  if (!plan.ok) {
    const all = [...faults, ...plan.faults];
    return { ...base, faults: all, warnings: [], auditAnnotations: {} };
  }
  const { injection, ...defaults } = plan.value;
  const applied = refusals.length > 0 || injection === undefined ? defaults : plan.value;
  return {
    ...base,
    faults,
    warnings: plan.value.warnings,
    auditAnnotations: {
      ...buildAuditAnnotations(pod, declared),
      'injection-template': published.hash,
    },
    operations: [...move, ...buildPatch(pod, applied)],
    ...(refusals.length === 0 && injection && { sidecarIndex: injection.index }),
  };
};

const NO_TEMPLATE = 'the injection template is not known yet: try again';

/**
 * Before injection no object may use a reserved name (rule 1), and what was injected earlier must be
 * unchanged (rules 1 and 2). All other rules wait for the final pod: another mutator may still
 * correct it.
 */
const checkReservedNames = (admission: Admission, deps: AdmissionDeps): ExemptionResult => {
  const { pod, request, tasks } = admission;
  const hasSidecarToCompare = isInjected(pod) && tasks.ok;
  const violations = evaluateRules(
    pod,
    buildRuleContext(admission, deps),
    (id) => id === '1' || (id === '2' && hasSidecarToCompare),
  );
  return applyExemptions(violations, {
    platform: deps.platform,
    namespace: request.namespace,
  });
};

/** Evaluates the final pod, after every mutator. */
const validate = async (admission: Admission, deps: AdmissionDeps): Promise<AdmissionDecision> => {
  const { pod, phase, request, tasks } = admission;
  const podContext = await readPodContext(admission, deps);
  if (podContext === undefined) return createUnavailableDecision(NO_SERVICE_ACCOUNT);
  const context = buildRuleContext(admission, deps, podContext);
  // Without tasks no sidecar equals its template: a second fault would hide the first.
  const hasSidecarToCompare = tasks.ok && admission.isInjectionOmitted !== true;
  const violations = evaluateRules(pod, context, (id) => id !== '2' || hasSidecarToCompare);
  const { refusals, exempted } = applyExemptions(violations, {
    platform: deps.platform,
    namespace: request.namespace,
    labels: podContext.labels ?? {},
  });
  const policy = await evaluatePolicy(admission, deps);
  const breakGlass = buildBreakGlassNotes(pod, context, request.user);
  const declared = tasks.ok ? tasks.value : [];
  return {
    tasks: declared,
    serviceAccount: getServiceAccountName(pod),
    podContext,
    faults: [...(tasks.ok ? [] : tasks.faults), ...refusals, ...policy.faults],
    exempted,
    warnings: [...policy.warnings, ...breakGlass.warnings],
    auditAnnotations: {
      ...(phase === 'CREATE' && buildAuditAnnotations(pod, declared)),
      ...breakGlass.auditAnnotations,
    },
  };
};

const NO_SERVICE_ACCOUNT = 'the service account of the pod could not be read: try again';

/**
 * Mutates, then validates the result. A real request ends at the first refusal; a preview continues,
 * so that the author gets every fault at once, with the paths of the manifest.
 */
const preview = async (admission: Admission, deps: AdmissionDeps): Promise<AdmissionDecision> => {
  if (!isInjectable(admission)) return validate(admission, deps);
  const mutated = mutate(admission, deps);
  const { operations, warnings, sidecarIndex } = mutated;
  if (operations === undefined) return mutated;
  const isInjectionOmitted = sidecarIndex === undefined && !isInjected(admission.pod);
  const pod = applyPatch(admission.pod, operations) as Pod;
  const validated = await validate({ ...admission, pod, isInjectionOmitted }, deps);
  return toAuthoredPaths(
    { ...validated, operations, warnings: [...warnings, ...validated.warnings] },
    sidecarIndex,
  );
};

/** The object is not a pod that can be evaluated. */
const reject = (faults: readonly FieldError[]): AdmissionResult => ({
  outcome: denied(faults),
  decision: {
    tasks: [],
    serviceAccount: 'default',
    faults,
    exempted: [],
    warnings: [],
    auditAnnotations: {},
  },
});
