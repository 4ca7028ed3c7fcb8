import { denied, errored, patched } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import type { Pod } from '../contract/pod.ts';
import type { Task } from '../contract/task.ts';
import type { FieldError } from '../schema/field-error.ts';
import { listConsumers } from './consumers.ts';
import { buildExemptionNotes, type ExemptionResult } from './exemptions.ts';
import type { PodContext } from './pod-context.ts';
import { isBreakGlass, listAddedEphemeralContainers } from './rules/ephemeral-containers.ts';
import type { RuleContext } from './rules/rule.ts';
import { findRule } from './rules/rules.ts';

type AuditAnnotations = Readonly<Record<string, string>>;

/** What admission found about a pod, before it becomes a response. */
export type AdmissionDecision = {
  readonly serviceAccount: string;
  /** Tasks that the pod declares. Empty where a declaration is invalid. */
  readonly tasks: readonly Task[];
  /** Why the pod is refused: invalid declarations, violated rules, policy. Empty: it is admitted. */
  readonly faults: readonly FieldError[];
  /** Violations that the platform exempts. */
  readonly exempted: ExemptionResult['exempted'];
  /** Further messages for the author, one line each. */
  readonly warnings: readonly string[];
  readonly auditAnnotations: AuditAnnotations;
  /** The patch; not sent where the pod is refused. Absent: there is nothing to inject. */
  readonly operations?: readonly JsonPatchOp[];
  /** Where the patch inserts the sidecar into `spec.initContainers`. */
  readonly sidecarIndex?: number;
  /** Absent: it was not read. */
  readonly podContext?: PodContext;
  /** Something that the decision needs is missing: the request may be sent again. */
  readonly unavailable?: string;
};

/** A decision that could not be made. */
export const createUnavailableDecision = (unavailable: string): AdmissionDecision => ({
  serviceAccount: 'default',
  tasks: [],
  faults: [],
  exempted: [],
  warnings: [],
  auditAnnotations: {},
  unavailable,
});

/** Turns a decision into the response: 503, 403 with every fault, or admitted with notes. */
export const toOutcome = (decision: AdmissionDecision): AdmissionOutcome => {
  const { unavailable, faults, exempted, operations = [] } = decision;
  if (unavailable !== undefined) return errored(503, unavailable);
  if (faults.length > 0) return denyPod(faults);
  const notes = buildExemptionNotes(exempted);
  return patched(operations, {
    warnings: [...notes.warnings, ...decision.warnings],
    auditAnnotations: { ...decision.auditAnnotations, ...notes.auditAnnotations },
  });
};

/** Lists every fault, then the advice. */
const denyPod = (faults: readonly FieldError[]): AdmissionOutcome => {
  const rules = [...new Set(faults.map(({ rule }) => rule ?? 'declaration'))];
  return denied(faults, { auditAnnotations: { refused: rules.join(',') } }, listAdvice(faults));
};

/** The remedy of each violated rule, then what is known about its faults, each once. */
const listAdvice = (faults: readonly FieldError[]): readonly string[] =>
  [...new Set(faults.map(({ rule }) => rule))].flatMap((id) => {
    const remedy = findRule(id)?.remedy;
    const hints = faults.flatMap(({ rule, hint }) => (rule === id && hint ? [hint] : []));
    return [...new Set([...(remedy === undefined ? [] : [remedy]), ...hints])].map(
      (advice) => `rule ${id ?? ''}: ${advice}`,
    );
  });

/** For the API server's audit log. */
export const buildAuditAnnotations = (pod: Pod, tasks: readonly Task[]): AuditAnnotations => ({
  tasks: tasks.map(({ name }) => name).join(','),
  consumers: listConsumers(pod, tasks).join(','),
});

/** Warns the user who adds a container in an emergency, and records their name. */
export const buildBreakGlassNotes = (
  pod: Pod,
  context: RuleContext,
  user: AdmissionRequest['user'],
): Pick<AdmissionDecision, 'warnings' | 'auditAnnotations'> => {
  const added = listAddedEphemeralContainers(pod, context.oldPod);
  if (added.length === 0 || !isBreakGlass(context)) return { warnings: [], auditAnnotations: {} };
  const names = added.map(({ container }) => container.name).join(', ');
  return {
    warnings: [
      `break-glass: the pod gets no further credentials with ${names} in it; replace it afterwards`,
    ],
    auditAnnotations: { 'break-glass': `${user.name} adds ${names}` },
  };
};

/** Moves paths back to where the author wrote the containers that the sidecar displaced. */
export const toAuthoredPaths = (
  decision: AdmissionDecision,
  sidecarIndex: number | undefined,
): AdmissionDecision => {
  if (sidecarIndex === undefined) return decision;
  const move = (fault: FieldError): FieldError => ({
    ...fault,
    path: fault.path.replace(/^(\/spec\/initContainers\/)(\d+)/, (_, list: string, at: string) =>
      Number(at) > sidecarIndex ? `${list}${Number(at) - 1}` : `${list}${at}`,
    ),
  });
  return {
    ...decision,
    faults: decision.faults.map(move),
    exempted: decision.exempted.map(({ fault, by }) => ({ fault: move(fault), by })),
  };
};
