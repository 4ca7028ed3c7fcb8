import type { AuditEvent } from '../audit/audit-event.ts';
import type { TaskDetails } from '../contract/authority-api.ts';
import type { User } from '../identity/workload.ts';
import type { PolicyDecision } from '../policy/decision.ts';
import { buildSessionName } from '../scope/aws/session-name.ts';
import { bindResource } from '../task/resource.ts';
import type { Caller } from './caller.ts';
import type { AuthorizedRun, IssuedCredentials } from './authorized-run.ts';

/** What is known of a request so far: its record tells it, wherever the request ends. */
export type ExchangeContext = {
  details?: TaskDetails | undefined;
  caller?: Caller | undefined;
  user?: User | undefined;
  decision?: PolicyDecision | undefined;
  authorizedRun?: AuthorizedRun | undefined;
  issued?: IssuedCredentials | undefined;
};

/** The record of a request at this point. Never a token, a grant or credentials. */
export const buildAuditEvent = (
  kind: AuditEvent['kind'],
  { details, caller, user, decision, authorizedRun, issued }: ExchangeContext,
  at: number,
): AuditEvent => ({
  kind,
  at,
  ...(caller !== undefined && { actor: buildAuditActor(caller, details?.consumer, user) }),
  ...(details !== undefined && { task: details.task, params: details.params }),
  ...(details?.purpose !== undefined && { purpose: details.purpose }),
  ...(decision !== undefined && { decision: toRecordedDecision(decision) }),
  ...(authorizedRun !== undefined && {
    ...{
      run: authorizedRun.run,
      scope: buildAuditScope(authorizedRun, issued),
      exempted: authorizedRun.workload.exempted,
    },
  }),
});

/** Who asks, as records name them. */
export const buildAuditActor = (
  { namespace, serviceAccount, pod }: Caller,
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

const toRecordedDecision = ({ outcome, policies, version }: PolicyDecision) => ({
  outcome,
  policies,
  version,
});

/**
 * As the session policy says it. The session's name stands in the intent already: the cloud's log may
 * be all that is left.
 */
const buildAuditScope = (
  { run, workload, task, params }: AuthorizedRun,
  traded: IssuedCredentials | undefined,
): NonNullable<AuditEvent['scope']> => ({
  role: task.role,
  sessionName: buildSessionName({ podName: workload.pod.name, run }),
  actions: task.allow.flatMap(({ actions }) => actions),
  resources: task.allow.flatMap(({ resources }) =>
    resources.map((resource) => bindResource(resource, params)),
  ),
  ...(traded !== undefined && { policySha256: traded.policySha256, deadline: traded.deadline }),
});
