import type { RevocationSpec } from '../../lib/contract/authority.ts';
import { describeTarget } from '../../lib/revocation/observed.ts';
import type { Answer } from './answer.ts';

const MOST_SHOWN = 20;

/** What `revoke` says; without `pods`, nobody could tell whom it names now. */
export const revokeAnswer = ({
  name,
  spec,
  pods,
}: {
  readonly name: string;
  readonly spec: RevocationSpec;
  /** Live pods that it names now, `<namespace>/<name>`. */
  readonly pods?: readonly string[];
}): Answer => ({
  isWell: true,
  lines: [
    `revocation ${name} created: ${describeTarget(spec)} revoked by ${spec.by}`,
    spec.until === undefined
      ? `it stands until it is deleted: kubectl delete revocation ${name}`
      : `new runs may start again at ${spec.until}, or when it is deleted: kubectl delete revocation ${name}`,
    ...podLines(pods),
  ],
  json: { name, spec, ...(pods && { pods }) },
});

const podLines = (pods: readonly string[] | undefined): readonly string[] => {
  if (pods === undefined) return [];
  if (pods.length === 0) return ['it names no pod that is alive now: is everything spelt right?'];
  const rest = pods.length - MOST_SHOWN;
  return [
    `it names ${pods.length} live ${pods.length === 1 ? 'pod' : 'pods'} now:`,
    ...pods.slice(0, MOST_SHOWN).map((pod) => `  ${pod}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ];
};
