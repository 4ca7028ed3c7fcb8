import type { Revocation, RevocationSpec, RunEnd } from '../contract/authority-api.ts';

/**
 * The Revocation by which an authority tells that a run has ended. Its name is derived from the run,
 * so that telling twice is telling once.
 *
 * @param run as an authority made it: its characters may stand in a name of Kubernetes
 * @param by the authority's own name at the API server
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

/** Whether it was published by `by`, an authority: its sidecar has already forgotten the run. */
export const isCompletionBy = ({ spec }: Pick<Revocation, 'spec'>, by: string): boolean =>
  spec.run !== undefined && spec.by === by;
