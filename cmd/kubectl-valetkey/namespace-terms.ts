import { MODE_LABEL, WARN_MODE } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { levelOf, type Level } from '../../lib/injection/rules/levels.ts';
import type { ToldSurroundings } from './surroundings.ts';

/** By what the pods of a namespace are judged. */
export type NamespaceTerms = Pick<ToldSurroundings, 'labelsFrom'> & {
  readonly namespace: string;
  /** Of rule 4. */
  readonly level: Level;
  /** Ids of the rules that the platform excepts there. */
  readonly exceptions: readonly string[];
  /** Whether breaches of rule 7 are warned of, and nothing more. */
  readonly isMigrating: boolean;
};

export const termsOf = (
  namespace: string,
  { labels = {}, labelsFrom }: ToldSurroundings,
  { pods }: Pick<Platform, 'pods'>,
): NamespaceTerms => ({
  ...{ namespace, labelsFrom, level: levelOf(namespace, pods) },
  exceptions: pods.exceptions.flatMap((each) => (each.namespace === namespace ? each.rule : [])),
  isMigrating: labels[MODE_LABEL] === WARN_MODE,
});

/** `namespace research: level restricted, exceptions from rules 3, 7, labels as the cluster says`. */
export const describeTerms = ({ namespace, level, exceptions, ...terms }: NamespaceTerms): string =>
  [
    `namespace ${namespace}: level ${level}`,
    ...(exceptions.length === 0 ? [] : [`exceptions from rules ${exceptions.join(', ')}`]),
    ...(terms.isMigrating ? [`${MODE_LABEL}=${WARN_MODE}`] : []),
    LABELS_FROM[terms.labelsFrom],
  ].join(', ');

const LABELS_FROM = {
  files: 'labels as the files say',
  cluster: 'labels as the cluster says',
  nowhere: 'labels not known: judged as if it had none',
} as const;
