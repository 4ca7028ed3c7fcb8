import { parseJson } from '../schema/json.ts';
import { toMapping } from '../schema/mapping.ts';

/** Whose run a role is, as its comment says. */
export type RunOwner = {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly podUid: string;
  readonly task: string;
  /** Of the Kubernetes object; empty: unknown. */
  readonly upstreamUid: string;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
};

export const formatRunComment = (owner: RunOwner): string => JSON.stringify(owner);

/** Parses a comment; a role without one, or with another, has no known owner: only its run is known. */
export const parseRunComment = (comment: string | null): RunOwner => {
  const members = toMapping(parseJson(comment ?? ''));
  const read = (name: string): string => {
    const member = members[name];
    return typeof member === 'string' ? member : '';
  };
  const { issuedAt } = members;
  return {
    namespace: read('namespace'),
    serviceAccount: read('serviceAccount'),
    pod: read('pod'),
    podUid: read('podUid'),
    task: read('task'),
    upstreamUid: read('upstreamUid'),
    issuedAt: typeof issuedAt === 'number' ? issuedAt : 0,
  };
};
