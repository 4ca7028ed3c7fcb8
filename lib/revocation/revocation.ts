import { REVOCATIONS, type Revocation, type RevocationSpec } from '../contract/authority-api.ts';
import { refine, object, read, string, value, type Reader } from '../schema/reader.ts';
import { fail, type Result } from '../schema/field-error.ts';

const label = string({
  expected: 'a DNS label',
  pattern: /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
});
const subdomain = string({
  expected: 'a DNS name',
  pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
});
const uid = string({ expected: 'a UID', pattern: /^[A-Za-z0-9-]{1,64}$/ });
const run = string({ expected: 'a run', pattern: /^[A-Za-z0-9_-]{1,64}$/ });
const text = (maxLength: number) =>
  string({ expected: `1 to ${maxLength} characters`, pattern: /^[^]+$/, maxLength });
const time = refine(
  string({ expected: 'a time (RFC 3339)', pattern: /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/i }),
  (written) => (Number.isNaN(Date.parse(written)) ? 'a time (RFC 3339)' : undefined),
);

/** Targets of a Revocation, equal to `charts/valetkey/crds/revocations.yaml`. */
const TARGETS = {
  run: { optional: run },
  pod: { optional: object({ namespace: label, name: subdomain, uid: { optional: uid } }) },
  task: { optional: object({ namespace: label, serviceAccount: subdomain, task: label }) },
  serviceAccount: { optional: object({ namespace: label, name: subdomain }) },
  namespace: { optional: label },
  all: { optional: value('true', (given): given is boolean => given === true) },
} as const;
const TARGET_NAMES = Object.keys(TARGETS) as (keyof typeof TARGETS)[];

/** Reads `spec` of a Revocation, also before it is created. */
export const revocationSpec: Reader<RevocationSpec> = refine(
  object({
    ...TARGETS,
    reason: text(256),
    by: text(253),
    until: { optional: time },
  }),
  (spec) =>
    TARGET_NAMES.filter((name) => spec[name] !== undefined).length === 1
      ? undefined
      : `exactly one of ${TARGET_NAMES.join(', ')}`,
);

const stored = object({
  name: string({ expected: 'a name', pattern: /^[^]+$/ }),
  uid: string({ expected: 'a UID', pattern: /^[^]+$/ }),
  createdAt: value('a time', (given): given is number => Number.isFinite(given)),
  spec: revocationSpec,
});

/**
 * Reads a Revocation as the API server stores it.
 *
 * @returns all field errors with source `revocations/<name>`; its target is then unknown
 */
export const readRevocation = (found: unknown): Result<Revocation> => {
  const { metadata = {}, spec } = (found ?? {}) as {
    readonly metadata?: {
      readonly name?: string;
      readonly uid?: string;
      readonly creationTimestamp?: string | Date;
    };
    readonly spec?: unknown;
  };
  const { name, uid, creationTimestamp = NaN } = metadata;
  const createdAt = new Date(creationTimestamp).getTime();
  const result = read(stored, { name, uid, createdAt, spec });
  if (result.ok) return result;
  const source = `${REVOCATIONS}/${name ?? ''}`;
  return fail(result.faults.map((fault) => ({ ...fault, source })));
};
