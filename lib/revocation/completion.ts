import {
  RUN_ENDS,
  type Revocation,
  type RevocationSpec,
  type RunEnd,
} from '../contract/authority-api.ts';

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
  /** `revoked`: it is a Revocation like any other, and no completion. */
  readonly end: RunEnd | 'revoked';
  readonly by: string;
}): { readonly name: string; readonly spec: RevocationSpec } => ({
  name: formatName(run),
  spec: { run, reason: end, by },
});

const formatName = (run: string): string => `run-${run}`;

const REASONS: readonly string[] = RUN_ENDS;

/**
 * Whether authority `by` published it as the end of the run, so the sidecar has already erased the run. Any
 * other Revocation of a run that an authority creates revokes the run.
 */
export const isCompletionBy = (
  { name, spec }: Pick<Revocation, 'name' | 'spec'>,
  by: string,
): boolean => isReportedBy({ name, spec }, by) && REASONS.includes(spec.reason);

/** Whether authority `by` published it because the run's own pod reported its end, of any reason. */
export const isReportedBy = (
  { name, spec }: Pick<Revocation, 'name' | 'spec'>,
  by: string,
): boolean => spec.run !== undefined && name === formatName(spec.run) && spec.by === by;
