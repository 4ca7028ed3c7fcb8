import type { RevocationSpec } from '../../lib/contract/authority-api.ts';
import { formatTarget } from '../../lib/revocation/observed-revocations.ts';
import type { CommandResult } from './command-result.ts';

const MAX_SHOWN = 20;

/** Builds the output of `revoke`; without `pods`, the matching pods are unknown. */
export const buildRevokeResult = ({
  name,
  spec,
  pods,
}: {
  readonly name: string;
  readonly spec: RevocationSpec;
  /** Running pods that match now, `<namespace>/<name>`. */
  readonly pods?: readonly string[];
}): CommandResult => ({
  isHealthy: true,
  lines: [
    `revocation ${name} created: ${formatTarget(spec)} revoked by ${spec.by}`,
    spec.until === undefined
      ? `new runs are blocked until you delete it: kubectl delete revocation ${name}`
      : `new runs may start again at ${spec.until}, or when you delete it: kubectl delete revocation ${name}`,
    ...formatPods(pods),
  ],
  json: { name, spec, ...(pods && { pods }) },
});

const formatPods = (pods: readonly string[] | undefined): readonly string[] => {
  if (pods === undefined) return [];
  if (pods.length === 0) return ['No running pods match. Check the names.'];
  const rest = pods.length - MAX_SHOWN;
  return [
    pods.length === 1 ? '1 running pod matches:' : `${pods.length} running pods match:`,
    ...pods.slice(0, MAX_SHOWN).map((pod) => `  ${pod}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ];
};
