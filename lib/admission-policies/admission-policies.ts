import { buildBindingPolicy } from './binding-policy.ts';
import { buildExecPolicy } from './exec-policy.ts';
import { buildNewPodsPolicy } from './new-pods-policy.ts';
import { buildPodChangesPolicy } from './pod-changes-policy.ts';
import type { AdmissionPolicy, AdmissionPolicySettings } from './validating-admission-policy.ts';
import { buildRevocationPolicy } from './revocation-policy.ts';
import { buildTokenPolicy } from './token-policy.ts';

/** Every ValidatingAdmissionPolicy that holds with these settings. */
export const buildAdmissionPolicies = (
  settings: AdmissionPolicySettings,
): readonly AdmissionPolicy[] =>
  [
    buildExecPolicy(),
    buildNewPodsPolicy(settings),
    buildPodChangesPolicy(settings),
    buildBindingPolicy(),
    buildTokenPolicy(settings),
    buildRevocationPolicy(),
  ].filter(({ trust }) => trust === undefined || trust === settings.trust);
