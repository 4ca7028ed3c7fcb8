import type { AuditEvent } from '../audit/record.ts';
import type { TaskDetails } from '../contract/authority.ts';
import type { User } from '../identity/workload.ts';
import type { Decision } from '../policy/decision.ts';
import { sessionName } from '../scope/aws/session-name.ts';
import { bindResource } from '../task/resource.ts';
import type { Claimant } from './caller.ts';
import type { RunOrder, TradedRun } from './run-order.ts';

/** What is known of a request so far: its record tells it, wherever the request ends. */
export type Known = {
  details?: TaskDetails | undefined;
  claimant?: Claimant | undefined;
  user?: User | undefined;
  decision?: Decision | undefined;
  order?: RunOrder | undefined;
  traded?: TradedRun | undefined;
};

/** The record of a request at this point. Never a token, a grant or credentials. */
export const eventOf = (
  kind: AuditEvent['kind'],
  { details, claimant, user, decision, order, traded }: Known,
  at: number,
): AuditEvent => ({
  kind,
  at,
  ...(claimant !== undefined && { actor: actorOf(claimant, details?.consumer, user) }),
  ...(details !== undefined && { task: details.task, params: details.params }),
  ...(details?.purpose !== undefined && { purpose: details.purpose }),
  ...(decision !== undefined && { decision: recordedDecision(decision) }),
  ...(order !== undefined && {
    ...{ run: order.run, scope: scopeOf(order, traded), excused: order.workload.excused },
  }),
});

/** Who asks, as records name them. */
export const actorOf = (
  { namespace, serviceAccount, pod }: Claimant,
  consumer?: string,
  user?: User,
): NonNullable<AuditEvent['actor']> => ({
  namespace,
  serviceAccount,
  pod: pod.name,
  podUid: pod.uid,
  ...(consumer !== undefined && { consumer }),
  ...(user !== undefined && { user: { issuer: user.issuer, subject: user.subject } }),
});

const recordedDecision = ({ outcome, policies, version }: Decision) => ({
  outcome,
  policies,
  version,
});

/**
 * As the session policy says it. The session's name stands in the intent already: the cloud's log may
 * be all that is left.
 */
const scopeOf = (
  { run, workload, task, params }: RunOrder,
  traded: TradedRun | undefined,
): NonNullable<AuditEvent['scope']> => ({
  role: task.role,
  sessionName: sessionName({ podName: workload.pod.name, run }),
  actions: task.allow.flatMap(({ actions }) => actions),
  resources: task.allow.flatMap(({ resources }) =>
    resources.map((resource) => bindResource(resource, params)),
  ),
  ...(traded !== undefined && { policySha256: traded.policySha256, deadline: traded.deadline }),
});
