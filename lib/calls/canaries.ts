import { boundText } from '../audit/bounded-text.ts';
import { MAX_GATED_TEXT_LENGTH } from '../contract/authority-api.ts';
import type { Permission } from '../operations/operation.ts';
import { matchesPattern } from '../schema/wildcard-patterns.ts';
import type { CallAuthorization } from './call-authorization.ts';
import type { CallRefusal } from './call-refusals.ts';
import type { CallRun, CallRuns } from './call-runs.ts';
import { listGatedPermissions } from './gates.ts';

/** Of a resource in a message, as in other refusals. */
const MAX_RESOURCE_LENGTH = 1_200;

/** Reports to the authority that a run used a canary. */
export type ReportCanary = (run: CallRun, permission: Permission) => void;

/**
 * Refuses a call that uses a canary, within its task or not, and reports it. A refusal that the call has already
 * stays; else it is worded as that of a resource outside of the task, and can be proposed to people like any other:
 * the authority refuses that proposal. A resource that could not be read from the request is no canary.
 *
 * @returns the decision on the call
 */
export const refuseCanary = (
  run: Pick<CallRun, 'task' | 'oversight' | 'touchCanary'>,
  authorization: CallAuthorization,
): CallAuthorization => {
  const found = findCanary(run, authorization.permissions);
  if (found === undefined) return authorization;
  const { touched, pattern } = found;
  const { action, resource = '' } = touched;
  // The authority takes no longer one. A pattern matches itself.
  const isLong = resource.length > MAX_GATED_TEXT_LENGTH;
  run.touchCanary?.({ action, resource: isLong ? pattern : resource });
  return authorization.refusal === undefined
    ? { ...authorization, refusal: describeOutside(touched, run.task), excluded: touched }
    : authorization;
};

const findCanary = (
  { oversight }: Pick<CallRun, 'oversight'>,
  permissions: readonly Permission[],
): { readonly touched: Permission; readonly pattern: string } | undefined => {
  const patterns = (oversight?.gates ?? []).flatMap(({ gate, like = [] }) =>
    gate === 'canary' ? like : [],
  );
  if (patterns.length === 0) return undefined;
  for (const touched of listGatedPermissions(permissions)) {
    const { resource } = touched;
    if (resource === undefined) continue;
    const pattern = patterns.find((each) => matchesPattern(each, resource));
    if (pattern !== undefined) return { touched, pattern };
  }
  return undefined;
};

/** As each protocol refuses a resource outside of the task. */
const describeOutside = ({ action, resource = '' }: Permission, task: string): CallRefusal => {
  const [protocol = ''] = action.split(':', 1);
  const isUpstream = protocol === 'http' || protocol === 'git' || protocol === 'mcp';
  const on = isUpstream ? resource : boundText(resource, MAX_RESOURCE_LENGTH);
  return {
    code: getOutsideCode(protocol, resource),
    message: `${action} on ${on} is outside task ${task}`,
  };
};

const getOutsideCode = (protocol: string, resource: string): CallRefusal['code'] => {
  if (protocol === 'http') return 'path_outside';
  if (protocol === 'git') return resource.includes('#') ? 'ref_outside' : 'path_outside';
  const isTool = protocol === 'mcp' && /^mcp:\/\/[^/]+\/tools\//.test(resource);
  return isTool ? 'tool_outside' : 'resource_outside';
};

const REVOKED: CallRefusal = { code: 'run_revoked', message: 'the runs of this pod were revoked' };

/**
 * Closes the pod's runs for further calls once one has used a canary: the authority revokes the pod, and may be
 * out of reach.
 */
export const closeAfterCanary = (runs: CallRuns, report: ReportCanary): CallRuns => {
  let isClosed = false;
  const findClosure = (): CallRefusal | undefined => (isClosed ? REVOKED : undefined);
  return {
    end: runs.end,
    resolve: async (owner) => {
      const closed = findClosure();
      if (closed !== undefined) return closed;
      const run = await runs.resolve(owner);
      if ('code' in run) return run;
      const closedMeanwhile = findClosure();
      if (closedMeanwhile !== undefined) {
        run.release();
        return closedMeanwhile;
      }
      const touchCanary = (permission: Permission): void => {
        if (!isClosed) report(run, permission);
        isClosed = true;
      };
      return { ...run, touchCanary, findClosure };
    },
  };
};
