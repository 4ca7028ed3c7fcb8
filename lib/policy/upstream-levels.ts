import type { UpstreamLevel } from '../contract/upstream.ts';
import { encodeMcpName } from '../mcp/permissions.ts';
import { patternsOverlap } from '../schema/wildcard-patterns.ts';
import { widenPlaceholders } from '../task/resource.ts';
import { parseDatabaseRole } from '../task/upstream-declaration.ts';
import { getAccessLevel, getHighestLevel } from '../upstreams/access-levels.ts';
import type { HttpUpstream, PinnedTool, Upstream } from '../upstreams/upstream.ts';

/** One pair of a task: an action, and a resource with `*` and `{param}`. */
export type UpstreamPair = { readonly action: string; readonly resource: string };

const TOOL = /^mcp:\/\/[^/]+\/tools\/(.+)$/;

/** The pattern for names of tools that a resource contains; undefined for a resource of another kind. */
export const readToolPattern = (resource: string): string | undefined => {
  const [, pattern] = TOOL.exec(resource) ?? [];
  return pattern === undefined ? undefined : widenPlaceholders(pattern);
};

/** The pinned tools that a resource of a task names. */
export const listNamedTools = (
  tools: readonly PinnedTool[],
  resource: string,
): readonly PinnedTool[] => {
  const pattern = readToolPattern(resource);
  return pattern === undefined
    ? []
    : tools.filter(({ name }) => patternsOverlap(pattern, encodeMcpName(name)));
};

/** With pins the gateway refuses every other tool, so that the named ones are all that a pair can call. */
const getMcpLevel = (tools: readonly PinnedTool[], resource: string): UpstreamLevel => {
  const levels = listNamedTools(tools, resource).map(({ level = 'Write' }) => level);
  return levels.length === 0 ? 'Write' : getHighestLevel(levels);
};

const getHttpUpstreamLevel = (upstream: HttpUpstream, pair: UpstreamPair): UpstreamLevel => {
  switch (upstream.rules.protocol) {
    case 'http':
      return getAccessLevel(upstream, pair);
    case 'git':
      return pair.action === 'git:fetch' ? 'Read' : 'Write';
    case 'mcp':
      return getMcpLevel(upstream.tools, pair.resource);
  }
};

/**
 * The access level of a pair: the highest that any of its calls can have.
 *
 * @param role of the task: of a database, it names the template role, whose level counts
 */
export const getPairLevel = (
  upstream: Upstream,
  { role, ...pair }: UpstreamPair & { readonly role: string },
): UpstreamLevel => {
  if (upstream.kind === 'http') return getHttpUpstreamLevel(upstream, pair);
  const { template } = parseDatabaseRole(role);
  return upstream.templates.find((each) => each.role === template)?.level ?? 'Write';
};
