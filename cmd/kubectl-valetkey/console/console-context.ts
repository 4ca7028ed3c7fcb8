import type { LoadCatalog } from '../../../lib/catalog/catalog.ts';
import type { ClusterClient } from '../cluster.ts';
import type { Html } from './html.ts';
import type { ReadRecords } from '../records/shown-records.ts';
import type { Session } from './session.ts';

/** What every view needs. */
export type ConsoleContext = {
  readonly cluster: ClusterClient;
  /** The user's name at the API server. */
  readonly user: string;
  readonly isReadOnly: boolean;
  readonly session: Session;
  readonly readRecords: ReadRecords;
  readonly loadCatalog: LoadCatalog;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number;
  readonly newId: () => string;
};

/** A request whose key, origin and CSRF token were checked. */
export type ViewRequest = {
  /** Below the key: `/approvals`. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Empty for GET. */
  readonly form: URLSearchParams;
};

export const VIEWS = [
  ['overview', '/', 'Overview'],
  ['runs', '/runs', 'Runs'],
  ['approvals', '/approvals', 'Approvals'],
  ['proposals', '/proposals', 'Proposals'],
  ['decisions', '/decisions', 'Decisions'],
  ['policies', '/policies', 'Policies'],
  ['revocations', '/revocations', 'Revocations'],
] as const;
export type ViewName = (typeof VIEWS)[number][0];

export type Page = {
  readonly view: ViewName;
  readonly title: string;
  readonly content: Html;
  /** HTTP status; default: 200. */
  readonly status?: number;
};

/** What became of a form; the next page says it. */
export const NOTICES = {
  approved: 'Your approval was recorded.',
  denied: 'Your denial was recorded.',
  revoked: 'The Revocation was created. Runs that it matches end within seconds.',
  dismissed: 'The proposal was deleted.',
  lifted: 'The Revocation was deleted. New runs may start.',
} as const;
export type Notice = keyof typeof NOTICES;

/** Where to go after a form. */
export type Redirect = { readonly path: string; readonly notice: Notice };

export type Handler = (
  request: ViewRequest,
  context: ConsoleContext,
) => Promise<Page | Redirect | undefined>;

/** A form that cannot be accepted; the page shows the lines. */
export class PageError extends Error {
  override readonly name = 'PageError';
  readonly status: number;
  readonly lines: readonly string[];

  constructor(status: number, lines: readonly string[]) {
    super(lines.join('\n'));
    this.status = status;
    this.lines = lines;
  }
}
