import type { RevocationSpec } from '../../lib/contract/authority-api.ts';
import { formatTarget } from '../../lib/revocation/observed-revocations.ts';
import type { CommandResult } from './command-result.ts';

const MAX_SHOWN = 20;

/** What `revoke` says; without `pods`, nobody could tell whom it names now. */
export const buildRevokeResult = ({
  name,
  spec,
  pods,
}: {
  readonly name: string;
  readonly spec: RevocationSpec;
  /** Live pods that it names now, `<namespace>/<name>`. */
  readonly pods?: readonly string[];
}): CommandResult => ({
  isHealthy: true,
  lines: [
    `revocation ${name} created: ${formatTarget(spec)} revoked by ${spec.by}`,
    spec.until === undefined
      ? `it stands until it is deleted: kubectl delete revocation ${name}`
      : `new runs may start again at ${spec.until}, or when it is deleted: kubectl delete revocation ${name}`,
    ...formatPods(pods),
  ],
  json: { name, spec, ...(pods && { pods }) },
});

const formatPods = (pods: readonly string[] | undefined): readonly string[] => {
  if (pods === undefined) return [];
  if (pods.length === 0) return ['it names no pod that is alive now: is everything spelt right?'];
  const rest = pods.length - MAX_SHOWN;
  return [
    `it names ${pods.length} live ${pods.length === 1 ? 'pod' : 'pods'} now:`,
    ...pods.slice(0, MAX_SHOWN).map((pod) => `  ${pod}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ];
};
