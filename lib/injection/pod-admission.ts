import { allowed, denied, errored } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { Pod } from '../contract/pod.ts';
import { succeed, type Result } from '../reading/fault.ts';
import { isAsked } from './asking.ts';
import { validateChanged } from './changed-pod-admission.ts';
import { declaresTasks } from './consumers.ts';
import { mutateNew, validateNew } from './new-pod-admission.ts';
import type { PodAdmissionSettings } from './admission-settings.ts';
import { readPod } from './pod-shape.ts';
import type { Occasion } from './rules/rule.ts';

/** Both webhooks for pods. Neither has a side effect, so a dry run is like any other. */
export type PodAdmission = {
  readonly mutate: (request: AdmissionRequest) => Promise<AdmissionOutcome>;
  readonly validate: (request: AdmissionRequest) => Promise<AdmissionOutcome>;
};

/** Makes the webhooks' two judgements over one platform's settings. */
export const podAdmission = (settings: PodAdmissionSettings): PodAdmission => ({
  mutate: async (request) => {
    if (!isPod(request)) return notAPod(request);
    const pod = readPod(request.object);
    if (!pod.ok) return denied(pod.faults);
    const isOurs = request.operation === 'CREATE' && declaresTasks(pod.value);
    if (!isOurs) return allowed();
    const published = settings.published();
    if (published === undefined) return errored(503, 'what is to be injected is not known yet');
    return mutateNew({ pod: pod.value, request, published }, settings);
  },
  validate: async (request) => {
    if (!isPod(request)) return notAPod(request);
    const pods = readBoth(request);
    if (!pods.ok) return denied(pods.faults);
    if (!isAsked(pods.value, settings.platform)) return allowed();
    return pods.value.occasion === 'CREATE'
      ? validateNew(pods.value.pod, request, settings)
      : validateChanged(pods.value, request, settings);
  },
});

type BothPods = {
  readonly pod: Pod;
  readonly oldPod: Pod | undefined;
  readonly occasion: Occasion;
};

const isPod = ({ kind }: AdmissionRequest): boolean =>
  kind.group === '' && kind.version === 'v1' && kind.kind === 'Pod';

const notAPod = ({ kind }: AdmissionRequest): AdmissionOutcome =>
  errored(400, `expected a Pod of v1, got ${kind.group}/${kind.version} ${kind.kind}`);

const readBoth = (request: AdmissionRequest): Result<BothPods> => {
  const occasion = OCCASIONS.find((each) => each === request.operation);
  if (occasion === undefined) {
    const expected = OCCASIONS.join(' or ');
    return {
      ok: false,
      faults: [{ path: '/request/operation', expected, got: request.operation }],
    };
  }
  const pod = readPod(request.object);
  const oldPod = request.oldObject === undefined ? succeed(undefined) : readPod(request.oldObject);
  if (!pod.ok) return pod;
  return oldPod.ok ? succeed({ pod: pod.value, oldPod: oldPod.value, occasion }) : oldPod;
};

const OCCASIONS = ['CREATE', 'UPDATE'] as const;
