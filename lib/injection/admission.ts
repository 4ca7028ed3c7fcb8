import { allowed, denied, errored } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { Pod } from '../contract/pod.ts';
import { succeed, type Result } from '../schema/field-error.ts';
import { isInScope } from './webhook-scope.ts';
import { validatePodUpdate } from './changed-pod-admission.ts';
import { hasTaskDeclarations } from './consumers.ts';
import { mutateNewPod, validateNewPod } from './new-pod-admission.ts';
import type { PodAdmissionDeps } from './admission-deps.ts';
import { parsePod } from './pod-schema.ts';
import type { Phase } from './rules/rule.ts';

/** Both webhooks for pods. Neither has a side effect, so a dry run is like any other. */
export type PodAdmission = {
  readonly mutate: (request: AdmissionRequest) => Promise<AdmissionOutcome>;
  readonly validate: (request: AdmissionRequest) => Promise<AdmissionOutcome>;
};

/** Makes the webhooks' two judgements over one platform's settings. */
export const createPodAdmission = (settings: PodAdmissionDeps): PodAdmission => ({
  mutate: async (request) => {
    if (!isPod(request)) return rejectNonPod(request);
    const pod = parsePod(request.object);
    if (!pod.ok) return denied(pod.faults);
    const isOurs = request.operation === 'CREATE' && hasTaskDeclarations(pod.value);
    if (!isOurs) return allowed();
    const published = settings.published();
    if (published === undefined) return errored(503, 'what is to be injected is not known yet');
    return mutateNewPod({ pod: pod.value, request, published }, settings);
  },
  validate: async (request) => {
    if (!isPod(request)) return rejectNonPod(request);
    const pods = parsePods(request);
    if (!pods.ok) return denied(pods.faults);
    if (!isInScope(pods.value, settings.platform)) return allowed();
    return pods.value.phase === 'CREATE'
      ? validateNewPod(pods.value.pod, request, settings)
      : validatePodUpdate(pods.value, request, settings);
  },
});

type AdmissionPods = {
  readonly pod: Pod;
  readonly oldPod: Pod | undefined;
  readonly phase: Phase;
};

const isPod = ({ kind }: AdmissionRequest): boolean =>
  kind.group === '' && kind.version === 'v1' && kind.kind === 'Pod';

const rejectNonPod = ({ kind }: AdmissionRequest): AdmissionOutcome =>
  errored(400, `expected a Pod of v1, got ${kind.group}/${kind.version} ${kind.kind}`);

const parsePods = (request: AdmissionRequest): Result<AdmissionPods> => {
  const phase = PHASES.find((each) => each === request.operation);
  if (phase === undefined) {
    const expected = PHASES.join(' or ');
    return {
      ok: false,
      faults: [{ path: '/request/operation', expected, got: request.operation }],
    };
  }
  const pod = parsePod(request.object);
  const oldPod = request.oldObject === undefined ? succeed(undefined) : parsePod(request.oldObject);
  if (!pod.ok) return pod;
  return oldPod.ok ? succeed({ pod: pod.value, oldPod: oldPod.value, phase }) : oldPod;
};

const PHASES = ['CREATE', 'UPDATE'] as const;
