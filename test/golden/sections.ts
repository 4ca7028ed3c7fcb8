import { captureAdmission } from './admission.ts';
import { captureResources, captureRoles } from './arns.ts';
import { captureAttacks, captureStaticCases } from './attacks.ts';
import { captureAudit } from './audit.ts';
import { captureDenyLists } from './deny-lists.ts';
import { captureGrants } from './grants.ts';
import { captureSessionPolicies } from './session-policies.ts';
import { captureTasks } from './tasks.ts';

export type Section = readonly [name: string, capture: () => unknown];

/** One golden file for each: its name and what it holds. */
export const SECTIONS: readonly Section[] = [
  ['admission-cluster-aws', () => captureAdmission('cluster-aws')],
  ['admission-authority-aws', () => captureAdmission('authority-aws')],
  ['admission-authority-s3', () => captureAdmission('authority-s3')],
  ['attacks', captureAttacks],
  ['static-cases', captureStaticCases],
  ['arns-roles', captureRoles],
  ['arns-resources', captureResources],
  ['tasks', captureTasks],
  ['session-policies', captureSessionPolicies],
  ['grants', captureGrants],
  ['deny-lists', captureDenyLists],
  ['audit', captureAudit],
];
