import { captureAdmission } from './admission.ts';
import { captureResources, captureRoles } from './arns.ts';
import { captureAttacks, captureStaticCases } from './attacks.ts';
import { captureAudit } from './audit.ts';
import { captureDenyLists } from './deny-lists.ts';
import { captureEventStreams } from './event-streams.ts';
import { captureFuzzedDeclarations, captureFuzzedPods } from './fuzzed.ts';
import { captureGrants } from './grants.ts';
import { captureLivePods } from './live-pods.ts';
import { captureDecisions, captureFindings } from './policies.ts';
import { captureSessionPolicies } from './session-policies.ts';
import { captureSidecarAnswers } from './sidecar-answers.ts';
import { captureTasks } from './tasks.ts';
import { captureTokenAnswers } from './token-answers.ts';
import { captureTokenRequests } from './token-requests.ts';
import { captureTrustPolicies } from './trust-policies.ts';

export type Section = readonly [name: string, capture: () => unknown];

/** One golden file for each: its name and what it holds. */
export const SECTIONS: readonly Section[] = [
  ['admission-cluster-aws', () => captureAdmission('cluster-aws')],
  ['admission-authority-aws', () => captureAdmission('authority-aws')],
  ['admission-authority-s3', () => captureAdmission('authority-s3')],
  ['attacks', captureAttacks],
  ['static-cases', captureStaticCases],
  ['live-pods', captureLivePods],
  ['fuzzed-pods', captureFuzzedPods],
  ['fuzzed-declarations', captureFuzzedDeclarations],
  ['arns-roles', captureRoles],
  ['arns-resources', captureResources],
  ['tasks', captureTasks],
  ['session-policies', captureSessionPolicies],
  ['grants', captureGrants],
  ['deny-lists', captureDenyLists],
  ['trust-policies', captureTrustPolicies],
  ['token-requests', captureTokenRequests],
  ['token-answers', captureTokenAnswers],
  ['sidecar-answers', captureSidecarAnswers],
  ['event-streams', captureEventStreams],
  ['audit', captureAudit],
  ['policy-decisions', captureDecisions],
  ['policy-findings', captureFindings],
];
