import { decideApproval, showApproval } from './approval-detail.ts';
import { showApprovals } from './approval-list.ts';
import type { Handler } from './console-context.ts';
import { showDecisions } from './decisions.ts';
import { showOverview } from './overview.ts';
import { showPolicies, showPolicy } from './policies.ts';
import { dismissProposal, showProposal, showProposals } from './proposals.ts';
import { createRevocation, liftRevocation, showRevocations } from './revocations.ts';
import { revokeRun, showRuns } from './runs.ts';

type Method = 'GET' | 'POST';

/** Every route below the key, except the style. */
const ROUTES: readonly (readonly [method: Method, pattern: RegExp, handle: Handler])[] = [
  ['GET', /^\/$/, showOverview],
  ['GET', /^\/runs$/, showRuns],
  ['POST', /^\/runs\/(?<run>[A-Za-z0-9_-]{1,64})\/revoke$/, revokeRun],
  ['GET', /^\/approvals$/, showApprovals],
  ['GET', /^\/approvals\/(?<namespace>[a-z0-9-]{1,63})\/(?<name>ar-[0-9a-f]{20})$/, showApproval],
  [
    'POST',
    /^\/approvals\/(?<namespace>[a-z0-9-]{1,63})\/(?<name>ar-[0-9a-f]{20})$/,
    decideApproval,
  ],
  ['GET', /^\/proposals$/, showProposals],
  ['GET', /^\/proposals\/(?<namespace>[a-z0-9-]{1,63})\/(?<name>tp-[0-9a-f]{20})$/, showProposal],
  [
    'POST',
    /^\/proposals\/(?<namespace>[a-z0-9-]{1,63})\/(?<name>tp-[0-9a-f]{20})\/dismiss$/,
    dismissProposal,
  ],
  ['GET', /^\/decisions$/, showDecisions],
  ['GET', /^\/policies$/, showPolicies],
  ['GET', /^\/policies\/(?<name>[a-z0-9.-]{1,253})$/, showPolicy],
  ['GET', /^\/revocations$/, showRevocations],
  ['POST', /^\/revocations$/, createRevocation],
  ['POST', /^\/revocations\/(?<name>[a-z0-9.-]{1,253})\/lift$/, liftRevocation],
];

export type MatchedRoute = {
  readonly handle: Handler;
  readonly params: Readonly<Record<string, string>>;
};

/** Finds the route of a path below the key. A console that is read-only has no route that changes anything. */
export const findRoute = (
  { method, path }: { readonly method: string; readonly path: string },
  { isReadOnly }: { readonly isReadOnly: boolean },
): MatchedRoute | undefined => {
  const wanted = method === 'HEAD' ? 'GET' : method;
  for (const [allowed, pattern, handle] of ROUTES) {
    if (allowed !== wanted || (isReadOnly && allowed === 'POST')) continue;
    const match = pattern.exec(path);
    if (match !== null) return { handle, params: { ...match.groups } };
  }
  return undefined;
};
