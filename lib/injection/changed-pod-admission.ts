import { allowed } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { Pod } from '../contract/pod.ts';
import { contextOf, type PodAdmissionSettings } from './admission-settings.ts';
import { refused } from './pod-refusal.ts';
import { breaksGlass, joiningContainers } from './rules/ephemeral-containers.ts';
import type { JudgeContext } from './rules/rule.ts';
import { judgePod } from './rules/rules.ts';
import { describeExcused, judgeBreaches } from './verdict.ts';

/** What must not have changed, and what joins it. */
export const validateChanged = (
  { pod, oldPod }: { readonly pod: Pod; readonly oldPod: Pod | undefined },
  request: AdmissionRequest,
  settings: PodAdmissionSettings,
): AdmissionOutcome => {
  const context: JudgeContext = {
    ...contextOf(settings, { occasion: 'UPDATE', tasks: [], request }),
    ...(oldPod && { oldPod }),
  };
  const { namespace } = request;
  const { refusals, excused } = judgeBreaches(judgePod(pod, context), { ...settings, namespace });
  if (refusals.length > 0) return refused(refusals);
  const told = [describeExcused(excused), brokenGlass(pod, context, request)];
  return allowed({
    warnings: told.flatMap(({ warnings }) => warnings),
    auditAnnotations: Object.assign({}, ...told.map((each) => each.auditAnnotations)) as Names,
  });
};

type Names = Readonly<Record<string, string>>;

/** Nobody joins a pod unseen: its user reads it, and the audit log keeps who it was. */
const brokenGlass = (
  pod: Pod,
  context: JudgeContext,
  { user }: AdmissionRequest,
): ReturnType<typeof describeExcused> => {
  const joining = joiningContainers(pod, context.oldPod).map(({ container }) => container.name);
  if (joining.length === 0 || !breaksGlass(context)) return { warnings: [], auditAnnotations: {} };
  return {
    warnings: [
      `break-glass: the pod gets no further credentials with ${joining.join(', ')} in it; replace it afterwards`,
    ],
    auditAnnotations: { 'break-glass': `${user.name} adds ${joining.join(', ')}` },
  };
};
