/** IDs of the rules that a pod violates and is exempted from. Each ID is in one list only. */
export type ExemptedRules = {
  /** Exempted by the platform's settings for the pod's namespace. */
  readonly exceptions: readonly string[];
  /** Exempted because the namespace is being migrated (`valetkey.dev/mode: warn`). */
  readonly warned: readonly string[];
};
