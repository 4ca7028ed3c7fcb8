import { bindingsPolicy } from './bindings.ts';
import { execPolicy } from './exec.ts';
import { newPodsPolicy } from './new-pods.ts';
import { podChangesPolicy } from './pod-changes.ts';
import type { AdmissionPolicy, PolicySettings } from './policy.ts';
import { revocationsPolicy } from './revocations.ts';
import { tokensPolicy } from './tokens.ts';

/** Every ValidatingAdmissionPolicy that holds with these settings. */
export const admissionPolicies = (settings: PolicySettings): readonly AdmissionPolicy[] =>
  [
    execPolicy(),
    newPodsPolicy(settings),
    podChangesPolicy(settings),
    bindingsPolicy(),
    tokensPolicy(settings),
    revocationsPolicy(),
  ].filter(({ trust }) => trust === undefined || trust === settings.trust);
