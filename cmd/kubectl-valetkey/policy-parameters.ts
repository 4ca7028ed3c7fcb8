import { buildPolicyParameters } from '../../lib/config/policy-parameters.ts';
import { INSTALLED } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { formatValue } from '../../lib/schema/field-error.ts';

const TITLE = `ConfigMap ${INSTALLED.policyParameters}`;
const MISSING = `${TITLE}: expected it to exist, got nothing: the API server denies every request that the admission policies match`;
const OTHERWISE = `as in ConfigMap ${INSTALLED.platformConfigMap}, by which the webhook decides`;

/**
 * Compares the parameters of the admission policies with the platform's settings.
 *
 * @param found undefined: the ConfigMap does not exist
 * @returns problems, one per line
 */
export const checkPolicyParameters = (
  found: Readonly<Record<string, string>> | undefined,
  platform: Platform,
): readonly string[] =>
  found === undefined
    ? [MISSING]
    : Object.entries(buildPolicyParameters(platform))
        .filter(([name, value]) => found[name] !== value)
        .map(
          ([name, value]) =>
            `${TITLE} ${name}: expected ${formatValue(value)} ${OTHERWISE}, got ${formatValue(found[name])}`,
        );
