import { MODE_LABEL, WARN_MODE } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { getLevel, type Level } from '../../lib/injection/rules/levels.ts';
import type { SourcedPodContext } from './pod-context.ts';

/** By what the pods of a namespace are judged. */
export type NamespaceSettings = Pick<SourcedPodContext, 'labelsFrom'> & {
  readonly namespace: string;
  /** Of rule 4. */
  readonly level: Level;
  /** Ids of the rules that the platform excepts there. */
  readonly exemptions: readonly string[];
  /** Whether breaches of rule 7 are warned of, and nothing more. */
  readonly isMigrating: boolean;
};

export const toNamespaceSettings = (
  namespace: string,
  { labels = {}, labelsFrom }: SourcedPodContext,
  { pods }: Pick<Platform, 'pods'>,
): NamespaceSettings => ({
  ...{ namespace, labelsFrom, level: getLevel(namespace, pods) },
  exemptions: pods.ruleExemptions.flatMap((each) =>
    each.namespace === namespace ? each.rule : [],
  ),
  isMigrating: labels[MODE_LABEL] === WARN_MODE,
});

/** `namespace research: level restricted, exempted from rules 3, 7, labels as the cluster says`. */
export const formatNamespaceSettings = ({
  namespace,
  level,
  exemptions,
  ...terms
}: NamespaceSettings): string =>
  [
    `namespace ${namespace}: level ${level}`,
    ...(exemptions.length === 0 ? [] : [`exempted from rules ${exemptions.join(', ')}`]),
    ...(terms.isMigrating ? [`${MODE_LABEL}=${WARN_MODE}`] : []),
    LABELS_FROM[terms.labelsFrom],
  ].join(', ');

const LABELS_FROM = {
  files: 'labels as the files say',
  cluster: 'labels as the cluster says',
  nowhere: 'labels not known: judged as if it had none',
} as const;
