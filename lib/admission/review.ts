import { fail, show, succeed, type Fault, type Result } from '../reading/fault.ts';

const API_VERSION = 'admission.k8s.io/v1';
const KIND = 'AdmissionReview';

type Operation = (typeof OPERATIONS)[number];
const OPERATIONS = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const;

/** The part of an `admission.k8s.io/v1` request that we read. */
export type AdmissionRequest = {
  readonly uid: string;
  readonly operation: Operation;
  /** Of the object in the request. */
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  /** Empty for the resource itself. */
  readonly subResource: string;
  readonly namespace: string;
  /** Empty while the API server has yet to generate it. */
  readonly name: string;
  readonly dryRun: boolean;
  /** Who sends it; no groups, where none are told. */
  readonly user: { readonly name: string; readonly groups: readonly string[] };
  /** As they came; whoever needs them reads them. */
  readonly object?: unknown;
  readonly oldObject?: unknown;
};

/** The whole answer's body. */
export type AdmissionReview = {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: typeof KIND;
  readonly response: { readonly uid: string } & AdmissionOutcome;
};

/** `AdmissionResponse` of `admission.k8s.io/v1`, but for the uid. */
export type AdmissionOutcome = {
  readonly allowed: boolean;
  readonly patchType?: 'JSONPatch';
  /** Base64 of RFC 6902 operations. */
  readonly patch?: string;
  readonly status?: {
    readonly status: 'Failure';
    readonly code: number;
    readonly reason: string;
    readonly message: string;
  };
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
};

/**
 * Reads the body of a call to an admission webhook. Unknown members are left alone: newer API
 * servers may send more.
 *
 * @param body parsed JSON
 * @returns the request, or every fault: the caller sent something that is no review of ours
 */
export const readReview = (body: unknown): Result<AdmissionRequest> => {
  const faults: Fault[] = [];
  const review = mapping(body, '', faults);
  constant(review['apiVersion'], '/apiVersion', API_VERSION, faults);
  constant(review['kind'], '/kind', KIND, faults);
  const request = mapping(review['request'], '/request', faults);
  const value = readRequest(request, faults);
  return faults.length > 0 ? fail(faults) : succeed(value);
};

/** The answer to one request: the only place where a uid is set. */
export const answerReview = (
  request: Pick<AdmissionRequest, 'uid'>,
  outcome: AdmissionOutcome,
): AdmissionReview => ({
  apiVersion: API_VERSION,
  kind: KIND,
  response: { uid: request.uid, ...outcome },
});

const readRequest = (request: Mapping, faults: Fault[]): AdmissionRequest => {
  const kind = mapping(request['kind'], '/request/kind', faults);
  return {
    uid: text(request['uid'], '/request/uid', faults, 'a non-empty string'),
    operation: operation(request['operation'], faults),
    kind: {
      group: text(kind['group'] ?? '', '/request/kind/group', faults),
      version: text(kind['version'], '/request/kind/version', faults),
      kind: text(kind['kind'], '/request/kind/kind', faults),
    },
    subResource: text(request['subResource'] ?? '', '/request/subResource', faults),
    namespace: text(request['namespace'] ?? '', '/request/namespace', faults),
    name: text(request['name'] ?? '', '/request/name', faults),
    dryRun: request['dryRun'] === true,
    user: readUser(request['userInfo'] ?? {}, faults),
    object: request['object'] ?? undefined,
    oldObject: request['oldObject'] ?? undefined,
  };
};

const readUser = (value: unknown, faults: Fault[]): AdmissionRequest['user'] => {
  const user = mapping(value, '/request/userInfo', faults);
  const groups = user['groups'] ?? [];
  if (!Array.isArray(groups)) refuse(faults, '/request/userInfo/groups', 'a list', groups);
  return {
    name: text(user['username'] ?? '', '/request/userInfo/username', faults),
    groups: (Array.isArray(groups) ? groups : []).map((group, index) =>
      text(group, `/request/userInfo/groups/${index}`, faults),
    ),
  };
};

type Mapping = Readonly<Record<string, unknown>>;

const mapping = (value: unknown, path: string, faults: Fault[]): Mapping => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Mapping;
  refuse(faults, path, 'a mapping', value);
  return {};
};

const text = (value: unknown, path: string, faults: Fault[], expected = 'a string'): string => {
  if (typeof value === 'string' && (expected === 'a string' || value !== '')) return value;
  refuse(faults, path, expected, value);
  return '';
};

const operation = (value: unknown, faults: Fault[]): Operation => {
  const known = OPERATIONS.find((name) => name === value);
  if (known === undefined) {
    refuse(faults, '/request/operation', `one of ${OPERATIONS.join(', ')}`, value);
  }
  return known ?? 'CONNECT';
};

const constant = (value: unknown, path: string, expected: string, faults: Fault[]): void => {
  if (value !== expected) refuse(faults, path, expected, value);
};

const refuse = (faults: Fault[], path: string, expected: string, value: unknown): void => {
  faults.push({ path: path === '' ? '(root)' : path, expected, got: show(value) });
};
