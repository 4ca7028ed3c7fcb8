/** Who is known to change a field of the sidecar, and what to set. The first match applies. */
const FIELD_HINTS: readonly (readonly [field: RegExp, hint: string])[] = [
  [
    /^\/image/,
    'Kyverno, Gatekeeper and registry mirrors rewrite images: install from the mirror, or list the mirrored image with its digest in sidecar.allowedChanges.images',
  ],
  [
    /^\/env\/\d+$/,
    'Datadog, Dynatrace and proxy settings add variables: list the names in sidecar.allowedChanges.env',
  ],
  [
    /^\/resources/,
    'the Vertical Pod Autoscaler, GKE Autopilot or a policy changes amounts: set sidecar.resources or sidecar.allowedChanges.maxResources; for the autoscaler, also a containerPolicies entry valetkey-sidecar with mode Off',
  ],
  [
    /^\/volumeMounts/,
    'Vault, Dynatrace and Datadog mount volumes into every container: exclude valetkey-sidecar there (docs/mutators.md)',
  ],
  [
    /^\/securityContext/,
    'Kyverno, Gatekeeper or a SecurityContextConstraints writes security contexts: exclude valetkey-sidecar there; on OpenShift set openshift.scc.enabled (docs/mutators.md)',
  ],
  [/^/, 'another mutator changed the sidecar: exclude valetkey-sidecar there (docs/mutators.md)'],
];

/**
 * Finds the hint for a difference in the sidecar.
 *
 * @param field JSON pointer relative to the sidecar
 */
export const findMutatorHint = (field: string): string | undefined =>
  FIELD_HINTS.find(([pattern]) => pattern.test(field))?.[1];

/** For a sidecar that is not where it was injected. */
export const PLACE_HINT =
  'Kyverno (patchStrategicMerge) and other mutators reorder init containers: they must run before Valetkey is called again (docs/mutators.md)';

/** For a pod whose sidecar is gone. */
export const COUNT_HINT =
  'if it was there: Istio is known to remove init containers that other webhooks injected (docs/mutators.md)';

/** For a volume that was injected, in a pod without the sidecar. */
export const LEFT_BEHIND_HINT =
  'if it was injected, another webhook removed the sidecar, as Istio is known to do (docs/mutators.md)';

/** For anything else that injection added and that is missing or different. */
export const CHANGE_HINT =
  'another mutator changed what injection added: exclude it there (docs/mutators.md)';
