import type { Context, Entities } from '@cedar-policy/cedar-wasm/nodejs';
import type { CloudAction } from '../catalog/catalog.ts';
import { buildUnknownValue, type CedarRequest } from './cedar.ts';
import type { AdmissionPolicyRequest, RunPolicyRequest } from './decision.ts';

/** The part of a request that is specific to one pair of an action and a resource. */
export type PolicyPair = {
  readonly action: CloudAction;
  /** With the values of its params, where they are known. */
  readonly resource: string;
};

type BuildCedarRequest = (pair: PolicyPair) => CedarRequest;

/** Builds requests of a run. Everything is known: an absent optional attribute is absent. */
export const createRunRequestBuilder = (question: RunPolicyRequest): BuildCedarRequest => {
  const { user, parent, approvals, params } = question;
  const known = {
    ...buildTaskContext(question),
    ...buildTimeContext(new Date(question.atMs)),
    ...(user === undefined ? {} : { user: { issuer: user.issuer, subject: user.subject } }),
    ...(parent === undefined ? {} : { parent: { ...parent } }),
    approvals: [...approvals],
  };
  const request = buildBaseRequest(question, { ...params });
  return (pair) => ({ ...request, context: { ...known, ...buildPairContext(pair) } });
};

/**
 * Builds requests of an admission. Time, user, parent, approvals and the values of params are unknown;
 * the names of params are known, because a run must have all of them.
 */
export const createAdmissionRequestBuilder = (
  question: AdmissionPolicyRequest,
): BuildCedarRequest => {
  const names = Object.keys(question.task.params);
  const params = Object.fromEntries(names.map((name) => [name, buildUnknownValue('params')]));
  const known = { ...buildTaskContext(question), ...UNKNOWN_CONTEXT };
  const request = buildBaseRequest(question, params);
  return (pair) => ({ ...request, context: { ...known, ...buildPairContext(pair) } });
};

/** Builds a request in which the pair is unknown: its result holds for every pair. */
export const buildGeneralRequest = (question: AdmissionPolicyRequest): CedarRequest => {
  const request = createAdmissionRequestBuilder(question)({ action: ANY_ACTION, resource: '' });
  return { ...request, context: { ...request.context, ...buildUnknowns(PER_PAIR) } };
};

/** What policy sees of a call, in addition to its run. */
export type CallFacts = {
  readonly operation: string;
  /** Of the body; absent: unknown. */
  readonly bytes?: number | undefined;
  /** Strings of the body by JSON pointer; absent: unknown. */
  readonly arguments?: Readonly<Record<string, string>> | undefined;
};

/** One permission that a call needs. Without a resource or access levels, these are unknown. */
export type CallPair = {
  readonly action: Pick<CloudAction, 'name'> & Partial<Pick<CloudAction, 'accessLevels'>>;
  readonly resource?: string | undefined;
};

/** Builds requests about a call of a run. What is not known of it is an unknown value. */
export const createCallRequestBuilder = (
  question: RunPolicyRequest,
  { operation, bytes, arguments: given }: CallFacts,
): ((pair: CallPair) => CedarRequest) => {
  const run = createRunRequestBuilder(question)({ action: ANY_ACTION, resource: '' });
  const known = {
    ...run.context,
    operation,
    bytes: bytes ?? buildUnknownValue('bytes'),
    arguments: given === undefined ? buildUnknownValue('arguments') : ARGUMENTS,
  };
  const entities = [
    ...run.entities,
    { uid: ARGUMENTS.__entity, attrs: {}, parents: [], tags: { ...given } },
  ];
  return ({ action: { name, accessLevels }, resource }) => ({
    ...run,
    action: 'call',
    entities,
    context: {
      ...known,
      action: name,
      accessLevels: buildLevels(accessLevels),
      resource: resource ?? buildUnknownValue('resource'),
    },
  });
};

/**
 * Builds requests about all later calls of a run that need an action: their resource, arguments, time and
 * approvals are unknown.
 */
export const createGateRequestBuilder = (
  question: RunPolicyRequest,
): ((action: CallPair['action']) => CedarRequest) => {
  const run = createRunRequestBuilder(question)({ action: ANY_ACTION, resource: '' });
  const context = { ...run.context, ...buildUnknowns(PER_CALL) };
  return ({ name, accessLevels }) => ({
    ...run,
    action: 'call',
    context: { ...context, action: name, accessLevels: buildLevels(accessLevels) },
  });
};

/** Builds a request in which all that differs between the calls of a run is unknown. */
export const buildGeneralCallRequest = (question: RunPolicyRequest): CedarRequest => {
  const request = createGateRequestBuilder(question)(ANY_ACTION);
  return { ...request, context: { ...request.context, ...buildUnknowns(PER_PAIR) } };
};

/** Builds a request about any call of any run of a declared task. */
export const buildAdmissionCallRequest = (question: AdmissionPolicyRequest): CedarRequest => {
  const request = buildGeneralRequest(question);
  const context = { ...request.context, ...buildUnknowns(PER_CALL) };
  return { ...request, action: 'call', context };
};

const buildUnknowns = (names: readonly string[]): Context =>
  Object.fromEntries(names.map((name) => [name, buildUnknownValue(name)]));

const buildLevels = (levels: CloudAction['accessLevels'] | undefined) =>
  levels === undefined ? buildUnknownValue('accessLevels') : [...levels];

const PER_PAIR = ['action', 'accessLevels', 'resource'];
const PER_CALL = [
  ...['resource', 'operation', 'bytes', 'arguments'],
  ...['approvals', 'hour', 'minute', 'weekday'],
];
const ANY_ACTION = {
  name: '',
  accessLevels: [],
  isWildcardOnly: false,
  resources: [],
};
const UNKNOWN_CONTEXT = buildUnknowns(['user', 'parent', 'approvals', 'hour', 'minute', 'weekday']);

const PARAMS = { __entity: { type: 'Params', id: 'run' } };

const ARGUMENTS = { __entity: { type: 'Arguments', id: 'call' } };

const buildTaskContext = ({ task, sourceRestriction }: AdmissionPolicyRequest): Context => ({
  role: task.role,
  lifetimeSeconds: task.lifetimeSeconds,
  delivery: task.delivery,
  sourceRestriction,
  params: PARAMS,
});

const buildPairContext = ({ action, resource }: PolicyPair): Context => ({
  action: action.name,
  accessLevels: [...action.accessLevels],
  resource,
});

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const buildTimeContext = (at: Date): Context => ({
  hour: at.getUTCHours(),
  minute: at.getUTCMinutes(),
  weekday: WEEKDAYS[at.getUTCDay()] ?? '',
});

const buildBaseRequest = (
  { principal, task }: AdmissionPolicyRequest,
  params: Record<string, string | ReturnType<typeof buildUnknownValue>>,
): Omit<CedarRequest, 'context'> => {
  const { namespace, serviceAccount } = principal;
  const [home, who, what] = [
    { type: 'Namespace', id: namespace },
    { type: 'Workload', id: `${namespace}/${serviceAccount}` },
    { type: 'Task', id: task.name },
  ];
  const entities: Entities = [
    { uid: home, attrs: { name: namespace }, parents: [], tags: { ...principal.namespaceLabels } },
    { uid: who, attrs: { namespace: { __entity: home }, serviceAccount }, parents: [home] },
    { uid: what, attrs: { name: task.name }, parents: [] },
    { uid: PARAMS.__entity, attrs: {}, parents: [], tags: params },
  ];
  return { principal: who, resource: what, entities };
};
