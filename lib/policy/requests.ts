import type { Context, Entities } from '@cedar-policy/cedar-wasm/nodejs';
import type { CloudAction } from '../catalogue/catalogue.ts';
import { unknownValue, type CedarRequest } from './cedar.ts';
import type { AdmissionQuestion, RunQuestion } from './decision.ts';

/** What is asked about one pair of an action and a resource; the rest of a request is the task's. */
export type Asked = {
  readonly action: CloudAction;
  /** With its params bound, where they are known. */
  readonly resource: string;
};

type Ask = (asked: Asked) => CedarRequest;

/** Everything is known, as {@link SCHEMA} says: what is absent is absent. */
export const runRequests = (question: RunQuestion): Ask => {
  const { purpose, user, approvals, params } = question;
  const known = {
    ...factsOf(question),
    ...timeOf(new Date(question.at)),
    ...(purpose === undefined ? {} : { purpose }),
    ...(user === undefined ? {} : { user: { issuer: user.issuer, subject: user.subject } }),
    approvals: [...approvals],
  };
  const request = frameOf(question, { ...params });
  return (asked) => ({ ...request, context: { ...known, ...askedOf(asked) } });
};

/**
 * Time, user, purpose, approvals and the values of params are unknown; their names are known, since
 * a run has all params or none.
 */
export const admissionRequests = (question: AdmissionQuestion): Ask => {
  const names = Object.keys(question.task.params);
  const params = Object.fromEntries(names.map((name) => [name, unknownValue('params')]));
  const known = { ...factsOf(question), ...LATER };
  const request = frameOf(question, params);
  return (asked) => ({ ...request, context: { ...known, ...askedOf(asked) } });
};

/** A request about no pair in particular: what it denies, it denies for each. */
export const generalRequest = (question: AdmissionQuestion): CedarRequest => {
  const request = admissionRequests(question)({ action: ANY_ACTION, resource: '' });
  return { ...request, context: { ...request.context, ...unknowns(PER_PAIR) } };
};

const unknowns = (names: readonly string[]): Context =>
  Object.fromEntries(names.map((name) => [name, unknownValue(name)]));

const PER_PAIR = ['action', 'accessLevels', 'resource'];
const ANY_ACTION = {
  name: '',
  accessLevels: [],
  isWildcardOnly: false,
  isMinting: false,
  resources: [],
};
const LATER = unknowns(['user', 'purpose', 'approvals', 'hour', 'minute', 'weekday']);

const PARAMS = { __entity: { type: 'Params', id: 'run' } };

const factsOf = ({ task, bind }: AdmissionQuestion): Context => ({
  role: task.role,
  lifetimeSeconds: task.lifetimeSeconds,
  delivery: task.delivery,
  bind,
  params: PARAMS,
});

const askedOf = ({ action, resource }: Asked): Context => ({
  action: action.name,
  accessLevels: [...action.accessLevels],
  resource,
});

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const timeOf = (at: Date): Context => ({
  hour: at.getUTCHours(),
  minute: at.getUTCMinutes(),
  weekday: WEEKDAYS[at.getUTCDay()] ?? '',
});

const frameOf = (
  { principal, task }: AdmissionQuestion,
  params: Record<string, string | ReturnType<typeof unknownValue>>,
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
