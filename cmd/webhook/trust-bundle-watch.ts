import { certificateBundle } from '../../lib/config/certificate-bundle.ts';
import { TRUST_BUNDLE_CONFIG_MAP, CA_BUNDLE_KEY } from '../../lib/contract/authority-api.ts';
import { formatFieldError, type FieldError } from '../../lib/schema/field-error.ts';
import { read } from '../../lib/schema/reader.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { createWatchBackoff } from '../../lib/server/watch-backoff.ts';
import type { TemplateRegistryDeps } from './template-registry.ts';

export type TrustBundleWatchDeps = Pick<TemplateRegistryDeps, 'watch' | 'log' | 'random'> & {
  /** Receives valid PEM at each update, also if it did not change. */
  readonly onTrustBundle: (trustBundle: string) => void;
};

/**
 * Watches the trust bundle of sidecars. If it is missing or invalid, the last valid one stays in use.
 *
 * @returns a function that stops the watch
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
      else
        log.warn('trust bundle rejected', { faults: trustBundle.faults.map(formatConfigMapError) });
    },
    onError: (error) => log.warn('trust bundle watch failed', toErrorFields(error)),
    backoffMs: createWatchBackoff(random),
  });

const formatConfigMapError = (fault: FieldError): string =>
  formatFieldError({ ...fault, source: TRUST_BUNDLE_CONFIG_MAP });
