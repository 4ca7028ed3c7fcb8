import { isMapping, toMapping } from '../../schema/mapping.ts';
import { checkSecretText, MAX_SECRET_LENGTH } from '../../upstreams/presentation.ts';
import { SecretError } from '../../upstreams/secret-fetcher.ts';
import type { SecretKey } from '../../upstreams/upstream.ts';
import type { ApiClient } from './api-client.ts';
import { findObject, KubernetesError } from './kubernetes-error.ts';

/** Origins that a Secret may be sent to, separated by spaces, commas or lines. */
const ORIGINS_ANNOTATION = 'valetkey.dev/origins';

/** A key of a Secret, as it was when it was read. */
export type SourceSecret = {
  readonly text: string;
  /** When the Secret was last written; undefined if the API server does not say. */
  readonly changedAtMs?: number;
};

/**
 * Reads one key of a Secret for one origin. Nothing is cached, so that a change acts at once.
 *
 * @param form `pem` has lines, a `token` none
 * @throws SecretError
 */
export type ReadSourceSecret = (
  key: SecretKey,
  use: { readonly origin: string; readonly form: 'token' | 'pem' },
) => Promise<SourceSecret>;

const PEM =
  /^-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END [A-Z ]*PRIVATE KEY-----\s*$/;

const FAULTS = {
  too_short: 'at least 16 bytes',
  too_long: 'at most 16 KiB',
  control_characters: 'visible ASCII characters, without a line break at the end',
} as const;

const isPem = (text: string): boolean => text.length <= MAX_SECRET_LENGTH && PEM.test(text);

const checkText = (text: string, form: 'token' | 'pem'): string | undefined => {
  if (form === 'pem') return isPem(text) ? undefined : 'one PEM private key';
  const fault = checkSecretText(text);
  return fault === undefined ? undefined : FAULTS[fault];
};

const readChangedAt = ({
  managedFields,
  creationTimestamp,
}: Readonly<Record<string, unknown>>): number | undefined => {
  const entries = Array.isArray(managedFields) ? managedFields.filter(isMapping) : [];
  const times = [creationTimestamp, ...entries.map(({ time }) => time)]
    .map((time) => (typeof time === 'string' ? Date.parse(time) : NaN))
    .filter(Number.isFinite);
  return times.length === 0 ? undefined : Math.max(...times);
};

const allowsOrigin = (annotations: unknown, origin: string): boolean => {
  const origins = toMapping(annotations)[ORIGINS_ANNOTATION];
  return typeof origins === 'string' && origins.split(/[\s,]+/).includes(origin);
};

/**
 * Creates a reader of the Secrets of upstreams. Who may edit Upstreams must not be able to send any Secret
 * anywhere: its own annotation lists the origins, and is checked at each read.
 *
 * @param namespace `authority.secrets.namespace`, the only one
 */
export const createSourceSecretReader =
  (calls: ApiClient, namespace: string): ReadSourceSecret =>
  async ({ name, key }, { origin, form }) => {
    const culprit = `secret ${namespace}/${name}`;
    const found = await getSecret(calls, { namespace, name, culprit });
    const { metadata, data } = toMapping(found);
    const { annotations, ...rest } = toMapping(metadata);
    if (!allowsOrigin(annotations, origin)) {
      const message = `${culprit}: expected ${origin} in its annotation ${ORIGINS_ANNOTATION}`;
      throw new SecretError('secret_origin_mismatch', message);
    }
    const members = toMapping(data);
    const encoded = Object.hasOwn(members, key) ? members[key] : undefined;
    if (typeof encoded !== 'string') {
      throw new SecretError('secret_unavailable', `${culprit}: expected the key ${key}`);
    }
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    const expected = checkText(text, form);
    if (expected !== undefined) {
      throw new SecretError('secret_invalid', `${culprit} key ${key}: expected ${expected}`);
    }
    const changedAtMs = readChangedAt(rest);
    return { text, ...(changedAtMs === undefined ? {} : { changedAtMs }) };
  };

const getSecret = async (
  calls: ApiClient,
  { namespace, name, culprit }: { namespace: string; name: string; culprit: string },
): Promise<unknown> => {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(name)}`;
  try {
    const found = await findObject(calls(`get ${culprit}`, { method: 'GET', path }));
    if (found !== undefined) return found;
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    throw new SecretError('secret_unavailable', error.message, { cause: error });
  }
  throw new SecretError('secret_unavailable', `${culprit}: expected it to exist`);
};
