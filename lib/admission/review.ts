import { isMapping, type Mapping } from '../schema/mapping.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';

const API_VERSION = 'admission.k8s.io/v1';
const KIND = 'AdmissionReview';

type Operation = (typeof OPERATIONS)[number];
const OPERATIONS = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const;

/** The fields of an `admission.k8s.io/v1` request that Valetkey reads. */
export type AdmissionRequest = {
  readonly uid: string;
  readonly operation: Operation;
  /** Kind of the object in the request. */
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  /** Empty for the resource itself. */
  readonly subResource: string;
  readonly namespace: string;
  /** Empty if the API server has not generated it yet. */
  readonly name: string;
  readonly dryRun: boolean;
  /** Who sends the request. */
  readonly user: { readonly name: string; readonly groups: readonly string[] };
  /** Not parsed yet. */
  readonly object?: unknown;
  readonly oldObject?: unknown;
};

/** The body of the response. */
export type AdmissionReview = {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: typeof KIND;
  readonly response: { readonly uid: string } & AdmissionOutcome;
};

/** `AdmissionResponse` of `admission.k8s.io/v1` without the uid. */
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
 * Reads the body of a call to an admission webhook. Unknown fields are ignored, because newer API
 * servers may send more.
 *
 * @param body parsed JSON
 * @returns the request, or every fault of a malformed review
 */
export const readReview = (body: unknown): Result<AdmissionRequest> => {
  const faults: FieldError[] = [];
  const review = readMapping(body, '', faults);
  checkConstant(review['apiVersion'], '/apiVersion', API_VERSION, faults);
  checkConstant(review['kind'], '/kind', KIND, faults);
  const request = readMapping(review['request'], '/request', faults);
  const value = readRequest(request, faults);
  return faults.length > 0 ? fail(faults) : succeed(value);
};

/** Builds the response to a request. Only this function sets the uid. */
export const answerReview = (
  request: Pick<AdmissionRequest, 'uid'>,
  outcome: AdmissionOutcome,
): AdmissionReview => ({
  apiVersion: API_VERSION,
  kind: KIND,
  response: { uid: request.uid, ...outcome },
});

const readRequest = (request: Mapping, faults: FieldError[]): AdmissionRequest => {
  const kind = readMapping(request['kind'], '/request/kind', faults);
  return {
    uid: readText(request['uid'], '/request/uid', faults, 'a non-empty string'),
    operation: readOperation(request['operation'], faults),
    kind: {
      group: readText(kind['group'] ?? '', '/request/kind/group', faults),
      version: readText(kind['version'], '/request/kind/version', faults),
      kind: readText(kind['kind'], '/request/kind/kind', faults),
    },
    subResource: readText(request['subResource'] ?? '', '/request/subResource', faults),
    namespace: readText(request['namespace'] ?? '', '/request/namespace', faults),
    name: readText(request['name'] ?? '', '/request/name', faults),
    dryRun: request['dryRun'] === true,
    user: readUser(request['userInfo'] ?? {}, faults),
    object: request['object'] ?? undefined,
    oldObject: request['oldObject'] ?? undefined,
  };
};

const readUser = (value: unknown, faults: FieldError[]): AdmissionRequest['user'] => {
  const user = readMapping(value, '/request/userInfo', faults);
  const groups = user['groups'] ?? [];
  if (!Array.isArray(groups)) addFieldError(faults, '/request/userInfo/groups', 'a list', groups);
  return {
    name: readText(user['username'] ?? '', '/request/userInfo/username', faults),
    groups: (Array.isArray(groups) ? groups : []).map((group, index) =>
      readText(group, `/request/userInfo/groups/${index}`, faults),
    ),
  };
};

const readMapping = (value: unknown, path: string, faults: FieldError[]): Mapping => {
  if (isMapping(value)) return value;
  addFieldError(faults, path, 'a mapping', value);
  return {};
};

const readText = (
  value: unknown,
  path: string,
  faults: FieldError[],
  expected = 'a string',
): string => {
  if (typeof value === 'string' && (expected === 'a string' || value !== '')) return value;
  addFieldError(faults, path, expected, value);
  return '';
};

const readOperation = (value: unknown, faults: FieldError[]): Operation => {
  const known = OPERATIONS.find((name) => name === value);
  if (known === undefined) {
    addFieldError(faults, '/request/operation', `one of ${OPERATIONS.join(', ')}`, value);
  }
  return known ?? 'CONNECT';
};

const checkConstant = (
  value: unknown,
  path: string,
  expected: string,
  faults: FieldError[],
): void => {
  if (value !== expected) addFieldError(faults, path, expected, value);
};

const addFieldError = (
  faults: FieldError[],
  path: string,
  expected: string,
  value: unknown,
): void => {
  faults.push({ path: path === '' ? '(root)' : path, expected, got: formatValue(value) });
};
