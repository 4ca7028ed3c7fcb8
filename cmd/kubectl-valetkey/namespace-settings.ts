import { MODE_LABEL, WARN_MODE } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { getLevel, type Level } from '../../lib/injection/rules/levels.ts';
import type { SourcedPodContext } from './pod-context.ts';

/** Settings under which the pods of a namespace are checked. */
export type NamespaceSettings = Pick<SourcedPodContext, 'labelsFrom'> & {
  readonly namespace: string;
  /** Level of rule 4. */
  readonly level: Level;
  /** IDs of the rules from which the platform exempts the namespace. */
  readonly exemptions: readonly string[];
  /** Whether a violation of rule 7 is only a warning. */
  readonly isMigrating: boolean;
};

/** Selects the settings that apply to a namespace. */
export const toNamespaceSettings = (
  namespace: string,
  { labels = {}, labelsFrom }: SourcedPodContext,
  { pods }: Pick<Platform, 'pods'>,
): NamespaceSettings => ({
  namespace,
  labelsFrom,
  level: getLevel(namespace, pods),
  exemptions: pods.ruleExemptions.flatMap((each) =>
    each.namespace === namespace ? each.rule : [],
  ),
  isMigrating: labels[MODE_LABEL] === WARN_MODE,
});

/** `namespace research: level restricted, exempted from rules 3, 7, labels from the cluster`. */
export const formatNamespaceSettings = ({
  namespace,
  level,
  exemptions,
  isMigrating,
  labelsFrom,
}: NamespaceSettings): string =>
  [
    `namespace ${namespace}: level ${level}`,
    ...(exemptions.length === 0 ? [] : [`exempted from rules ${exemptions.join(', ')}`]),
    ...(isMigrating ? [`${MODE_LABEL}=${WARN_MODE}`] : []),
    LABELS_FROM[labelsFrom],
  ].join(', ');

const LABELS_FROM = {
  files: 'labels from the files',
  cluster: 'labels from the cluster',
  unknown: 'labels unknown: checked as if there were none',
} as const;
