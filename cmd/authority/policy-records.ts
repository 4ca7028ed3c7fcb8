import type { AuditEvent } from '../../lib/audit/audit-event.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { buildGenerationKey, type StoredPolicy } from './policy-status.ts';

/** As the name of an entity: no TaskPolicy can be called so. */
const ALL_POLICIES = '*';

/** What to record of a new set; a replica that starts counts what it finds in one record. */
export const buildPolicyEvents = (
  before: readonly StoredPolicy[] | undefined,
  { all, compiled, at }: { all: readonly StoredPolicy[]; compiled: CompiledPolicies; at: number },
): readonly AuditEvent[] => {
  const { version, findings } = compiled;
  const event = (subject: string, message: string): AuditEvent => {
    const found = findings.find(({ name }) => name === subject);
    const outcome = (found?.faults.length ?? 0) === 0 ? 'valid' : 'invalid';
    const decision = { outcome, policies: found?.policies ?? [], version };
    return { kind: 'policy.changed', at, subject, message, decision };
  };
  if (before === undefined) {
    const policies = findings.flatMap((found) => found.policies);
    const isValid = findings.every(({ faults }) => faults.length === 0);
    const decision = { outcome: isValid ? 'valid' : 'invalid', policies, version };
    const message = `${all.length} TaskPolicies stand`;
    return [{ kind: 'policy.changed', at, subject: ALL_POLICIES, message, decision }];
  }
  const previousKeys = new Set(before.map(buildGenerationKey));
  const names = new Set(all.map(({ metadata }) => metadata.name));
  return [
    ...all
      .filter((policy) => !previousKeys.has(buildGenerationKey(policy)))
      .map(({ metadata }) =>
        event(metadata.name, `applied, generation ${metadata.generation ?? 0}`),
      ),
    ...before
      .filter(({ metadata }) => !names.has(metadata.name))
      .map(({ metadata }) => event(metadata.name, 'removed')),
  ];
};
