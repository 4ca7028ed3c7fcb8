import type { TaskStatement } from '../contract/task.ts';
import { matchesPattern } from '../schema/wildcard-patterns.ts';
import { refuseCall, type CallResult } from './call-request.ts';
import type { RefCommand } from './git-commands.ts';
import type { GitRequest } from './git-request.ts';

type GitAction = 'git:fetch' | 'git:push' | 'git:delete-ref';

/** Permissions of an authorized call, as the journal names them. */
export type AuthorizedGitCall = {
  readonly permissions: readonly { readonly action: GitAction; readonly resource: string }[];
};

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

const refuseRepository = (action: string, repository: string, { name }: Run): CallResult<never> =>
  refuseCall('path_outside', `${action} on ${repository} is outside task ${name}`);

/**
 * Decides the first step of a push: it only lists refs, so that a permission for any ref is enough. A fetch
 * transfers every ref, so that its permission names none.
 */
const authorizeRepository = (
  { service }: GitRequest,
  repository: string,
  run: Run,
): CallResult<AuthorizedGitCall> => {
  const actions: readonly GitAction[] =
    service === 'upload-pack' ? ['git:fetch'] : ['git:push', 'git:delete-ref'];
  const action = actions.find((candidate) =>
    listRefPatterns(run, candidate, repository).some(
      (refs) => candidate !== 'git:fetch' || refs === undefined,
    ),
  );
  if (action === undefined) return refuseRepository(actions.join(' or '), repository, run);
  return { ok: true, value: { permissions: [{ action, resource: repository }] } };
};

const findOutside = (
  commands: readonly RefCommand[],
  repository: string,
  run: Run,
): string | undefined => {
  for (const { ref, kind } of commands) {
    const action = kind === 'delete' ? 'git:delete-ref' : 'git:push';
    const isCovered = listRefPatterns(run, action, repository).some(
      (refs) => refs === undefined || matchesPattern(refs, ref),
    );
    if (!isCovered) return `${action} on ${repository}#${ref}`;
  }
  return undefined;
};

/**
 * Decides whether a call is within the task of its run.
 *
 * @param commands of a push, each of which must be covered; absent before they are read
 */
export const authorizeGitCall = (
  {
    request,
    upstream,
    commands,
  }: { request: GitRequest; upstream: string; commands?: readonly RefCommand[] },
  run: Run,
): CallResult<AuthorizedGitCall> => {
  const repository = `git://${upstream}/${request.repository}`;
  const authorized = authorizeRepository(request, repository, run);
  if (!authorized.ok || commands === undefined || commands.length === 0) return authorized;
  const outside = findOutside(commands, repository, run);
  if (outside !== undefined) {
    return refuseCall('ref_outside', `${outside} is outside task ${run.name}`);
  }
  const permissions = commands.map(({ ref, kind }) => ({
    action: kind === 'delete' ? ('git:delete-ref' as const) : ('git:push' as const),
    resource: `${repository}#${ref}`,
  }));
  return { ok: true, value: { permissions } };
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
