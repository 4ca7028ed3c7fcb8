import type { Pod } from '../contract/pod.ts';
import type { ServiceAccount } from './rules/rule.ts';

/** What decides about a new pod beside the pod itself. Unknown parts exempt nothing. */
export type PodContext = {
  /** Labels of its namespace. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Absent: it does not exist, and the API server will not create the pod. */
  readonly serviceAccount?: ServiceAccount;
};

/** Returns undefined if the API server gave no answer about the service account. */
export type ReadPodContext = (pod: {
  readonly namespace: string;
  readonly serviceAccount: string;
}) => Promise<PodContext | undefined>;

/**
 * The pod's service account, by its field or by the field's deprecated alias, as in the API server: an
 * empty field is unset. The ServiceAccount plugin sets it if the author did not.
 */
export const getServiceAccountName = ({ spec }: Pick<Pod, 'spec'>): string =>
  [spec?.serviceAccountName, spec?.serviceAccount, 'default'].find(Boolean) ?? 'default';
