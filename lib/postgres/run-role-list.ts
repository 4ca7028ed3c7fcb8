import type { Row } from './query-messages.ts';
import { parseRunComment, type RunOwner } from './run-comment.ts';
import { getRunOfRole } from './run-roles.ts';

/** A role of a run, as its server lists it. */
export type RunRole = {
  readonly run: string;
  /** Roles that it is a member of: its template, and what the run could grant itself. */
  readonly templates: readonly string[];
  /** Whether its deadline is over, by the server's clock. */
  readonly isExpired: boolean;
  readonly owner: RunOwner;
};

/** Parses the rows of `LIST_RUN_ROLES`. */
export const parseRunRoles = (rows: readonly Row[]): readonly RunRole[] =>
  [...Map.groupBy(rows, ([role]) => role)].flatMap(([role, own]) => {
    const run = getRunOfRole(role ?? '');
    const [, , expired, comment = null] = own[0] ?? [];
    if (run === undefined) return [];
    const templates = own.flatMap(([, template]) => template ?? []);
    return [{ run, templates, isExpired: expired === 't', owner: parseRunComment(comment) }];
  });
