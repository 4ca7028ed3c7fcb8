import type { Pod } from '../contract/pod.ts';
import type { ServiceAccount } from './rules/rule.ts';

/** What stands around a new pod and says how it is judged; what is not known excuses nothing. */
export type PodContext = {
  /** Of its namespace. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Absent: there is none of that name, and the API server creates no such pod. */
  readonly serviceAccount?: ServiceAccount;
};

/** Answers nothing where the API server gave no answer about the service account: nobody knows then. */
export type ReadPodContext = (pod: {
  readonly namespace: string;
  readonly serviceAccount: string;
}) => Promise<PodContext | undefined>;

/** The pod's service account. The ServiceAccount plugin writes it, where the pod's author has not. */
export const getServiceAccountName = ({ spec }: Pick<Pod, 'spec'>): string =>
  spec?.serviceAccountName ?? 'default';
