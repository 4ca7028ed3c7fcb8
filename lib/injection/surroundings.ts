import type { Pod } from '../contract/pod.ts';
import type { ServiceAccount } from './rules/rule.ts';

/** What stands around a new pod and says how it is judged; what is not known excuses nothing. */
export type Surroundings = {
  /** Of its namespace. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Absent: there is none of that name, and the API server creates no such pod. */
  readonly serviceAccount?: ServiceAccount;
};

/** Answers nothing where the API server gave no answer about the service account: nobody knows then. */
export type ReadSurroundings = (pod: {
  readonly namespace: string;
  readonly serviceAccount: string;
}) => Promise<Surroundings | undefined>;

/** The pod's service account. The ServiceAccount plugin writes it, where the pod's author has not. */
export const accountOf = ({ spec }: Pick<Pod, 'spec'>): string =>
  spec?.serviceAccountName ?? 'default';
