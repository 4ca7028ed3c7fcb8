import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

import type { ApprovalGroup } from '../contract/approvals.ts';
import { findAnnotation, readAnnotation } from './cedar-annotations.ts';
import { getContextAttribute, getOperand, listChildren, type Expr } from './cedar-syntax.ts';
import { escapeUnprintable, type PolicyFinding } from './policy-source.ts';

/** The name of a group, as RBAC names it, and how many different people have to approve. */
const GROUP = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\/([1-9]))?$/;

const parseGroup = (text: string): ApprovalGroup | undefined => {
  const [, name, quorum = '1'] = GROUP.exec(text) ?? [];
  return name === undefined ? undefined : { name, quorum: Number(quorum) };
};

/**
 * Reads `@approval("group")` or `@approval("group/2")` of a forbid: whom to ask before it holds. A malformed one
 * asks no one, so that the forbid holds.
 */
export const readApprovalGroup = (policy: PolicyJson): ApprovalGroup | undefined => {
  const text = policy.effect === 'forbid' ? readAnnotation(policy, 'approval') : undefined;
  return text === undefined ? undefined : parseGroup(text);
};

/** Checks the annotation of a policy when it is written. Offsets are in `text`. */
export const findApprovalFaults = (policy: PolicyJson, text: string): readonly PolicyFinding[] => {
  const given = readAnnotation(policy, 'approval');
  if (given === undefined) return [];
  const offset = findAnnotation(text, 'approval');
  const got = escapeUnprintable(`@approval("${given}")`);
  if (policy.effect !== 'forbid') {
    return [{ offset, expected: 'a forbid, which asks people before it holds', got }];
  }
  return parseGroup(given) === undefined
    ? [{ offset, expected: '@approval("group"), or @approval("group/2") for two people', got }]
    : [];
};

/** Without this condition the forbid holds whatever people decide, so that no one is ever asked. */
export const warnOfApproval = (id: string, policy: PolicyJson): readonly string[] => {
  const group = readApprovalGroup(policy);
  if (group === undefined) return [];
  const bodies = policy.conditions.map(({ body }) => body as Expr);
  if (bodies.some((body) => mentionsGroup(body, group.name))) return [];
  const condition = `unless { context.approvals.contains("${group.name}") }`;
  return [`${id}: @approval("${group.name}") asks no one without ${condition}`];
};

const mentionsGroup = (expr: Expr, name: string): boolean =>
  isContains(expr, name) || listChildren(expr).some((child) => mentionsGroup(child, name));

const isContains = (expr: Expr, name: string): boolean => {
  const left = getOperand(expr, 'contains', 'left');
  const right = getOperand(expr, 'contains', 'right');
  if (left === undefined || right === undefined) return false;
  return getContextAttribute(left as Expr) === 'approvals' && (right as Expr)['Value'] === name;
};
