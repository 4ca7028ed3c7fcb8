import type { CloudSettings } from '../../contract/platform.ts';
import type { Task } from '../../contract/task.ts';
import { bindResource } from '../../task/resource.ts';
import { buildVersionDenials, type VersionDenial } from './version-requests.ts';

/** STS, AssumeRoleWithWebIdentity: the plain text of a session policy; its packed size has a limit of its own. */
export const MAX_POLICY_LENGTH = 2048;

export type SessionPolicyOptions = {
  readonly task: Task;
  /** Bound by `bindParams`. */
  readonly params: Readonly<Record<string, string>>;
  /** When the cloud stops accepting the credentials: wall-clock milliseconds since the epoch. */
  readonly deadline: number;
  readonly cloud: Pick<CloudSettings, 'dialect' | 'sourceRestriction'>;
  /** The pod's addresses, one per IP family, for the source restriction `podIP`. */
  readonly podIps: readonly string[];
};

type Statement = {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Condition;
};
type Condition = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

/**
 * Compiles a task and its params to an IAM session policy, compact JSON: exactly the pairs of the task, a
 * Deny of everything from the deadline on, and a Deny of requests from another source. An explicit Deny
 * also overrides resource policies. Ceph RGW and MinIO enforce the same statements; in dialect `s3` one more
 * Deny keeps MinIO from serving versions for which the task has no action.
 *
 * @param scope.task in normal form: a short form of actions would stay open to actions that a cloud adds
 */
export const buildSessionPolicy = (scope: SessionPolicyOptions): string => {
  const sourceRestriction = buildSourceCondition(scope);
  const statements: readonly (Statement | VersionDenial)[] = [
    ...buildAllowStatements(scope),
    ...(scope.cloud.dialect === 's3' ? buildVersionDenials(scope) : []),
    buildDenyStatement(scope, buildDeadlineCondition(scope.deadline)),
    ...(sourceRestriction === undefined ? [] : [buildDenyStatement(scope, sourceRestriction)]),
  ];
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
};

const buildAllowStatements = ({ task, params }: SessionPolicyOptions): readonly Statement[] =>
  task.allow.map(({ actions, resources }) => ({
    Effect: 'Allow',
    Action: actions,
    Resource: resources.map((resource) => bindResource(resource, params)),
  }));

/**
 * Denies every action, because a resource policy in the cloud may allow the session actions of services
 * that the task does not name.
 */
const buildDenyStatement = (
  { task, cloud }: SessionPolicyOptions,
  condition: Condition,
): Statement => ({
  Effect: 'Deny',
  Action: cloud.dialect === 'aws' ? '*' : listServices(task).map((service) => `${service}:*`),
  Resource: '*',
  Condition: condition,
});

/** MinIO rejects the action `*`. In dialect `s3`, only buckets have resource policies. */
const listServices = ({ allow }: Task): readonly string[] => {
  const actions = allow.flatMap((statement) => statement.actions);
  return [...new Set(['s3', ...actions.map((each) => each.slice(0, each.indexOf(':')))])].sort();
};

/** Whole seconds, rounded down: a deadline may be early, but never late. */
const buildDeadlineCondition = (deadline: number): Condition => {
  const time = new Date(deadline).toISOString().replace(/\.\d{3}Z$/, 'Z');
  return { DateGreaterThanEquals: { 'aws:CurrentTime': time } };
};

/** All keys of an operator must match. With these negated operators, a key that a request lacks matches. */
const buildSourceCondition = (scope: SessionPolicyOptions): Condition | undefined => {
  const { sourceRestriction, dialect } = scope.cloud;
  switch (sourceRestriction.mode) {
    case 'none':
      return undefined;
    case 'podIP':
      return exemptAwsServiceCalls(dialect, {
        NotIpAddress: buildAddressKeys(dialect, scope.podIps.map(toHostCidr)),
      });
    case 'cidrs':
      return exemptAwsServiceCalls(dialect, {
        NotIpAddress: { 'aws:SourceIp': sourceRestriction.cidrs },
      });
    case 'vpc':
      return exemptAwsServiceCalls(dialect, {
        StringNotEquals: { 'aws:SourceVpc': sourceRestriction.vpcId },
      });
  }
};

type Dialect = CloudSettings['dialect'];

/** AWS sees a pod's own address only through a VPC endpoint, and then in another key. */
const buildAddressKeys = (dialect: Dialect, blocks: readonly string[]) =>
  dialect === 'aws'
    ? { 'aws:SourceIp': blocks, 'aws:VpcSourceIp': blocks }
    : { 'aws:SourceIp': blocks };

/** Calls that AWS services make for the caller come from AWS's addresses. MinIO rejects `BoolIfExists`. */
const exemptAwsServiceCalls = (dialect: Dialect, condition: Condition): Condition =>
  dialect === 'aws' ? { ...condition, BoolIfExists: { 'aws:ViaAWSService': 'false' } } : condition;

const toHostCidr = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;
