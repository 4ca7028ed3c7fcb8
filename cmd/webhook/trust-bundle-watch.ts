import { certificateBundle } from '../../lib/config/certificate-bundle.ts';
import { TRUST_BUNDLE_CONFIG_MAP, CA_BUNDLE_KEY } from '../../lib/contract/authority-api.ts';
import { formatFieldError, type FieldError } from '../../lib/schema/field-error.ts';
import { read } from '../../lib/schema/reader.ts';
import { computeBackoffMs } from '../../lib/async/backoff.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import type { TemplateRegistryDeps } from './template-registry.ts';

export type TrustBundleWatchDeps = Pick<TemplateRegistryDeps, 'watch' | 'log' | 'random'> & {
  /** Told of PEM that can be read, whenever it is told of; it may be the same again. */
  readonly onTrustBundle: (roots: string) => void;
};

const RETRY = { firstMs: 500, maxMs: 30_000 };

/**
 * Watches the roots that sidecars are to trust. Roots that are gone or cannot be read change
 * nothing: those told last are trusted still.
 *
 * @returns stops it
 */
export const watchTrustBundle = ({
  watch,
  log,
  random,
  onTrustBundle,
}: TrustBundleWatchDeps): (() => void) =>
  watch({
    onState: (state) => {
      const trustBundle = read(certificateBundle, state?.data[CA_BUNDLE_KEY], CA_BUNDLE_KEY);
      if (trustBundle.ok) onTrustBundle(trustBundle.value);
      else log.warn('roots refused', { faults: trustBundle.faults.map(formatConfigMapError) });
    },
    onError: (error) => log.warn('watch of roots failed', toErrorFields(error)),
    backoffMs: (attempt) => computeBackoffMs(attempt, { ...RETRY, random }),
  });

const formatConfigMapError = (fault: FieldError): string =>
  formatFieldError({ ...fault, source: TRUST_BUNDLE_CONFIG_MAP });
