import {
  APPROVAL_DECISIONS,
  APPROVAL_KINDS,
  APPROVAL_REQUESTS,
  APPROVAL_STATES,
  APPROVALS,
  type Approval,
  type ApprovalRequest,
  type ApprovalRequestSpec,
  type ApprovalSpec,
} from '../contract/approvals.ts';
import { fail, type Result } from '../schema/field-error.ts';
import { toMapping } from '../schema/mapping.ts';
import {
  dnsLabel,
  integer,
  list,
  object,
  read,
  refine,
  string,
  stringEnum,
  value,
  type Reader,
} from '../schema/reader.ts';

const subdomain = string({
  expected: 'a DNS name',
  pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
});
const run = string({ expected: 'a run', pattern: /^[A-Za-z0-9_-]{1,64}$/ });
const uid = string({ expected: 'a UID', pattern: /^[A-Za-z0-9-]{1,64}$/ });
const sha256 = string({ expected: 'SHA-256 in hex', pattern: /^[0-9a-f]{64}$/ });
const text = (maxLength: number) =>
  string({ expected: `1 to ${maxLength} characters`, pattern: /^[^]+$/, maxLength });
const time = refine(
  string({ expected: 'a time (RFC 3339)', pattern: /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/i }),
  (written) => (Number.isNaN(Date.parse(written)) ? 'a time (RFC 3339)' : undefined),
);
const name = string({ expected: 'ar- and 20 hex digits', pattern: /^ar-[0-9a-f]{20}$/ });

const requester = object({
  serviceAccount: subdomain,
  pod: subdomain,
  podUid: string({ expected: 'a UID', pattern: /^[A-Za-z0-9-]{1,63}$/ }),
  task: dnsLabel,
  consumer: dnsLabel,
  chain: list(object({ run, namespace: dnsLabel, serviceAccount: subdomain, task: dnsLabel }), {
    max: 3,
  }),
  user: {
    optional: object({
      issuer: text(1024),
      subject: text(256),
      kubernetesName: { optional: text(1024) },
    }),
  },
});

const groups = refine(
  list(object({ name: dnsLabel, quorum: integer({ min: 1, max: 9 }) }), { min: 1, max: 8 }),
  (found) =>
    new Set(found.map((group) => group.name)).size < found.length ? 'each group once' : undefined,
);

/** Reads `spec` of an ApprovalRequest, equal to `charts/valetkey/crds/approvalrequests.yaml`. */
export const approvalRequestSpec: Reader<ApprovalRequestSpec> = object({
  kind: stringEnum(APPROVAL_KINDS),
  digest: sha256,
  groups,
  policies: list(object({ id: text(320), sha256 }), { min: 1, max: 64 }),
  requester,
  request: list(
    object({ name: text(256), value: string({ expected: 'a text', maxLength: 2048 }) }),
    { min: 1, max: 64 },
  ),
  expiresAt: time,
});

/** Reads `spec` of an Approval, equal to `charts/valetkey/crds/approvals.yaml`. */
export const approvalSpec: Reader<ApprovalSpec> = refine(
  object({
    request: object({ name, uid, digest: sha256 }),
    decision: stringEnum(APPROVAL_DECISIONS),
    group: dnsLabel,
    by: text(253),
    reason: { optional: text(256) },
    emergency: { optional: object({ incident: text(128) }) },
  }),
  (spec) =>
    spec.emergency === undefined || spec.decision === 'approve'
      ? undefined
      : 'an emergency to be a decision to approve',
);

const storedText = string({ expected: 'a text', pattern: /^[^]+$/ });
const createdAt = value('a time', (given): given is number => Number.isFinite(given));

const readState = ({ state, since }: Readonly<Record<string, unknown>>) => ({
  state,
  ...(typeof since === 'string' && { since: Date.parse(since) }),
});

const readStored = <T>(reader: Reader<T>, plural: string, found: unknown): Result<T> => {
  const { metadata: given, spec, status } = toMapping(found);
  const metadata = toMapping(given);
  const result = read(reader, {
    name: metadata['name'],
    ...(plural === APPROVAL_REQUESTS && {
      namespace: metadata['namespace'],
      ...readState(toMapping(status)),
    }),
    uid: metadata['uid'],
    createdAt: new Date((metadata['creationTimestamp'] ?? NaN) as string).getTime(),
    spec,
  });
  if (result.ok) return result;
  const source = `${plural}/${typeof metadata['name'] === 'string' ? metadata['name'] : ''}`;
  return fail(result.faults.map((fault) => ({ ...fault, source })));
};

const storedRequest: Reader<ApprovalRequest> = object({
  name,
  namespace: dnsLabel,
  uid: storedText,
  createdAt,
  spec: approvalRequestSpec,
  state: { optional: stringEnum(APPROVAL_STATES) },
  since: { optional: createdAt },
});

const storedApproval: Reader<Approval> = object({
  name: storedText,
  uid: storedText,
  createdAt,
  spec: approvalSpec,
});

/** Parses an ApprovalRequest as the API server stores it. @returns all field errors with its source */
export const parseApprovalRequest = (found: unknown): Result<ApprovalRequest> =>
  readStored(storedRequest, APPROVAL_REQUESTS, found);

/** Parses an Approval as the API server stores it. @returns all field errors with its source */
export const parseApproval = (found: unknown): Result<Approval> =>
  readStored(storedApproval, APPROVALS, found);
