import type { Revocation, RevocationSpec, RunEnd } from '../contract/authority-api.ts';

/**
 * The Revocation by which an authority publishes that a run has ended. Its name is derived from the
 * run ID, so publishing is idempotent.
 *
 * @param run ID that an authority created: its characters are valid in Kubernetes names
 * @param by the authority's own user name at the API server
 */
export const buildCompletion = ({
  run,
  end,
  by,
}: {
  readonly run: string;
  readonly end: RunEnd;
  readonly by: string;
}): { readonly name: string; readonly spec: RevocationSpec } => ({
  name: `run-${run}`,
  spec: { run, reason: end, by },
});

/** Whether authority `by` published it, so the sidecar has already erased the run. */
export const isCompletionBy = ({ spec }: Pick<Revocation, 'spec'>, by: string): boolean =>
  spec.run !== undefined && spec.by === by;
