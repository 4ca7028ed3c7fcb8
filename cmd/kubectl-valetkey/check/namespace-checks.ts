import type { NamespaceFacts } from '../../../lib/edge/kubernetes/cluster-facts.ts';
import { STARTER_LABEL } from '../../../lib/policy/starter-policy.ts';
import { pass, report, skip, type CheckResult } from './check-row.ts';

/** Selects the namespaces whose tasks the starter policy permits. */
export const TASK_SELECTOR = `${STARTER_LABEL.name}=${STARTER_LABEL.value}`;

const ENFORCE_LABEL = 'pod-security.kubernetes.io/enforce';
const ENFORCED_LEVELS: readonly (string | undefined)[] = ['baseline', 'restricted'];

/**
 * Checks that Pod Security limits all pods of the namespaces with tasks. Valetkey's rules limit only pods
 * that declare tasks: a privileged pod beside them could read their memory on the node.
 */
export const checkPodSecurity = (namespaces: readonly NamespaceFacts[]): CheckResult => {
  if (namespaces.length === 0) return skip(`no namespace has the label ${TASK_SELECTOR}`);
  const problems = namespaces.flatMap(({ name, labels }) => {
    const level = labels[ENFORCE_LABEL];
    return ENFORCED_LEVELS.includes(level)
      ? []
      : [
          `namespace ${name}: expected ${ENFORCE_LABEL} baseline or restricted, got ${level ?? 'none'}`,
        ];
  });
  if (problems.length === 0) return pass(`namespaces with tasks: ${namespaces.length}`);
  const hint = `label them: kubectl label namespace NAME ${ENFORCE_LABEL}=restricted`;
  return report('warning', { problems, hint });
};
