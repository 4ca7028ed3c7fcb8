import { allowed } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { Pod } from '../contract/pod.ts';
import { buildRuleContext, type PodAdmissionDeps } from './admission-deps.ts';
import { denyPod } from './pod-denial.ts';
import { isBreakGlass, listAddedEphemeralContainers } from './rules/ephemeral-containers.ts';
import type { RuleContext } from './rules/rule.ts';
import { evaluateRules } from './rules/rules.ts';
import { buildExemptionNotes, applyExemptions } from './exemptions.ts';

/** What must not have changed, and what joins it. */
export const validatePodUpdate = (
  { pod, oldPod }: { readonly pod: Pod; readonly oldPod: Pod | undefined },
  request: AdmissionRequest,
  settings: PodAdmissionDeps,
): AdmissionOutcome => {
  const context: RuleContext = {
    ...buildRuleContext(settings, { phase: 'UPDATE', tasks: [], request }),
    ...(oldPod && { oldPod }),
  };
  const { namespace } = request;
  const { refusals, exempted } = applyExemptions(evaluateRules(pod, context), {
    ...settings,
    namespace,
  });
  if (refusals.length > 0) return denyPod(refusals);
  const notes = [buildExemptionNotes(exempted), buildBreakGlassNotes(pod, context, request)];
  return allowed({
    warnings: notes.flatMap(({ warnings }) => warnings),
    auditAnnotations: Object.assign(
      {},
      ...notes.map((each) => each.auditAnnotations),
    ) as AuditAnnotations,
  });
};

type AuditAnnotations = Readonly<Record<string, string>>;

/** Nobody joins a pod unseen: its user reads it, and the audit log keeps who it was. */
const buildBreakGlassNotes = (
  pod: Pod,
  context: RuleContext,
  { user }: AdmissionRequest,
): ReturnType<typeof buildExemptionNotes> => {
  const joining = listAddedEphemeralContainers(pod, context.oldPod).map(
    ({ container }) => container.name,
  );
  if (joining.length === 0 || !isBreakGlass(context)) return { warnings: [], auditAnnotations: {} };
  return {
    warnings: [
      `break-glass: the pod gets no further credentials with ${joining.join(', ')} in it; replace it afterwards`,
    ],
    auditAnnotations: { 'break-glass': `${user.name} adds ${joining.join(', ')}` },
  };
};
