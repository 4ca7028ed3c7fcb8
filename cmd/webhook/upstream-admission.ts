import { allowed, denied } from '../../lib/admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { API_GROUP, API_VERSION } from '../../lib/contract/authority-api.ts';
import { canonicalizeJson } from '../../lib/schema/canonical-json.ts';
import { isMapping } from '../../lib/schema/mapping.ts';
import type { Upstream } from '../../lib/upstreams/upstream.ts';
import { parseUpstream } from '../../lib/upstreams/upstream-parser.ts';

/** Whether a request is about an Upstream. */
export const isUpstream = ({ kind }: AdmissionRequest): boolean =>
  kind.group === API_GROUP && kind.version === API_VERSION && kind.kind === 'Upstream';

/**
 * Validates an Upstream when it is applied, and reports every fault. An update that does not change its
 * spec is admitted.
 */
export const admitUpstream = ({
  operation,
  object,
  oldObject,
}: AdmissionRequest): AdmissionOutcome => {
  const isUnchanged = operation === 'UPDATE' && readSpec(object) === readSpec(oldObject);
  if (operation === 'DELETE' || isUnchanged) return allowed();
  const result = parseUpstream(object);
  return result.ok
    ? allowed({ warnings: listWarnings(result.value) })
    : denied(result.faults, { auditAnnotations: { refused: 'upstream' } });
};

const readSpec = (object: unknown): string =>
  canonicalizeJson((isMapping(object) ? object['spec'] : undefined) ?? null);

const listWarnings = (upstream: Upstream): readonly string[] =>
  upstream.kind === 'http' && upstream.rules.allowHttp
    ? [`${upstream.name}: allowHttp sends the secret without encryption`]
    : [];
