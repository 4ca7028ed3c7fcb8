/** Ids of the rules that a pod breaks by leave: each once, by whose leave it is. */
export type ExemptedRules = {
  /** An exception of the platform for the pod's namespace. */
  readonly exceptions: readonly string[];
  /** Its namespace migrates (`valetkey.dev/mode: warn`). */
  readonly warned: readonly string[];
};
