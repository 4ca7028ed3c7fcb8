import type { TaskStatement } from '../contract/task.ts';
import { matchesPattern } from '../schema/wildcard-patterns.ts';
import type { CallAuthorization } from './call-authorization.ts';
import type { CallRefusalCode } from './call-refusals.ts';
import { refuseCall, type CallResult } from './call-request.ts';
import type { RefCommand } from './git-commands.ts';
import type { GitRequest } from './git-request.ts';

type GitAction = 'git:fetch' | 'git:push' | 'git:delete-ref';

type Run = { readonly name: string; readonly allow: readonly TaskStatement[] };

/** A ref may contain `#`, a repository may not: the first one separates them. */
const splitResource = (resource: string): readonly [string, string | undefined] => {
  const mark = resource.indexOf('#');
  return mark < 0 ? [resource, undefined] : [resource.slice(0, mark), resource.slice(mark + 1)];
};

/** Whether statements of the task list the action for the repository, and for which refs. */
const listRefPatterns = (
  { allow }: Run,
  action: GitAction,
  repository: string,
): readonly (string | undefined)[] =>
  allow
    .filter(({ actions }) => actions.some((pattern) => matchesPattern(pattern, action)))
    .flatMap(({ resources }) => resources.map(splitResource))
    .filter(([pattern]) => matchesPattern(pattern, repository))
    .map(([, refs]) => refs);

type GitPermission = { readonly action: GitAction; readonly resource: string };

const refuse = (
  code: Extract<CallRefusalCode, 'path_outside' | 'ref_outside'>,
  { action, resource }: GitPermission,
  { name }: Run,
): CallAuthorization => ({
  permissions: [{ action, resource }],
  isResolved: true,
  refusal: { code, message: `${action} on ${resource} is outside task ${name}` },
});

/**
 * Decides the first step of a push: it only lists refs, so that a permission for any ref is enough. A fetch
 * transfers every ref, so that its permission names none.
 */
const authorizeRepository = (
  { service }: GitRequest,
  resource: string,
  run: Run,
): CallAuthorization => {
  const actions: readonly [GitAction, ...GitAction[]] =
    service === 'upload-pack' ? ['git:fetch'] : ['git:push', 'git:delete-ref'];
  const action = actions.find((candidate) =>
    listRefPatterns(run, candidate, resource).some(
      (refs) => candidate !== 'git:fetch' || refs === undefined,
    ),
  );
  return action === undefined
    ? refuse('path_outside', { action: actions[0], resource }, run)
    : { permissions: [{ action, resource }], isResolved: true };
};

/** @returns what a command of a push needs */
const toPermission = ({ ref, kind }: RefCommand, repository: string): GitPermission => ({
  action: kind === 'delete' ? 'git:delete-ref' : 'git:push',
  resource: `${repository}#${ref}`,
});

/** Whether a command of a push is within the task of its run. */
export const isCommandAllowed = (
  command: RefCommand,
  { upstream, repository }: { upstream: string; repository: string },
  run: Run,
): boolean => {
  const resource = formatRepository(upstream, repository);
  const { action } = toPermission(command, resource);
  return listRefPatterns(run, action, resource).some(
    (refs) => refs === undefined || matchesPattern(refs, command.ref),
  );
};

const formatRepository = (upstream: string, repository: string): string =>
  `git://${upstream}/${repository}`;

/**
 * Decides whether a call is within the task of its run.
 *
 * @param commands of a push, each of which must be covered; absent before they are read
 */
export const authorizeGitCall = (
  {
    request,
    upstream,
    commands = [],
  }: { request: GitRequest; upstream: string; commands?: readonly RefCommand[] },
  run: Run,
): CallAuthorization => {
  const { repository } = request;
  const resource = formatRepository(upstream, repository);
  const authorized = authorizeRepository(request, resource, run);
  if (authorized.refusal !== undefined || commands.length === 0) return authorized;
  const outside = commands.find(
    (command) => !isCommandAllowed(command, { upstream, repository }, run),
  );
  if (outside !== undefined) return refuse('ref_outside', toPermission(outside, resource), run);
  return {
    permissions: commands.map((command) => toPermission(command, resource)),
    isResolved: true,
  };
};

/** Checks the head of a push: commands in a compressed body could not be read. */
export const checkPushHeaders = (headers: ReadonlyMap<string, string>): CallResult<undefined> => {
  if (headers.has('content-encoding')) {
    return refuseCall('request_malformed', 'push: expected a body without content encoding');
  }
  return headers.get('content-type') === 'application/x-git-receive-pack-request'
    ? { ok: true, value: undefined }
    : refuseCall('request_malformed', 'push: expected application/x-git-receive-pack-request');
};
