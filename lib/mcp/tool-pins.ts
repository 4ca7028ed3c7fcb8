import type { ToolPin } from '../contract/upstream.ts';
import type { JsonObject } from './messages.ts';
import { allowMcp, refuseMcp, type McpResult } from './refusals.ts';
import { digestTool } from './tool-digest.ts';

/** How long a list counts as what the server offers. */
const LIST_AGE_MS = 5 * 60_000;

export type ToolPins = {
  /** Notes the tools of an answer to `tools/list`, hidden ones included. */
  readonly observe: (tools: readonly JsonObject[]) => void;
  /** The server says that its tools changed. */
  readonly forget: () => void;
  readonly isShown: (tool: JsonObject) => boolean;
  /** Whether a call needs a list first, because none of the last 5 minutes has the tool. */
  readonly isListNeeded: (name: string) => boolean;
  /** Decides a call. A tool that no list of the last 5 minutes has is refused. */
  readonly check: (name: string) => McpResult<string>;
};

/**
 * Creates the memory of what a server lists, beside what its Upstream pins. One for each (consumer, task):
 * a server may list other tools to another client.
 *
 * @param pins of the Upstream; without any, every tool is refused
 * @param now monotonic, in milliseconds
 */
export const createToolPins = (
  pins: readonly ToolPin[],
  { now }: { now: () => number },
): ToolPins => {
  const digests = new Map(pins.map(({ name, digest }) => [name, digest]));
  const listed = new Map<string, { isPinned: boolean; at: number }>();

  const isShown = (tool: JsonObject): boolean => {
    const { name } = tool;
    return typeof name === 'string' && digests.has(name) && digestTool(tool) === digests.get(name);
  };

  const observe = (tools: readonly JsonObject[]): void => {
    const at = now();
    const seen = new Map<string, boolean>();
    for (const tool of tools) {
      const { name } = tool;
      if (typeof name !== 'string' || !digests.has(name)) continue;
      // One of two tools of one name is another tool than the pinned one.
      seen.set(name, isShown(tool) && seen.get(name) !== false);
    }
    for (const [name, isPinned] of seen) listed.set(name, { isPinned, at });
  };

  const findListed = (name: string): { isPinned: boolean } | undefined => {
    const found = listed.get(name);
    return found !== undefined && now() - found.at < LIST_AGE_MS ? found : undefined;
  };

  return {
    observe,
    isShown,
    forget: () => {
      listed.clear();
    },
    isListNeeded: (name) => digests.has(name) && findListed(name) === undefined,
    check: (name) => {
      if (!digests.has(name))
        return refuseMcp('tool_unpinned', 'the Upstream does not pin this tool');
      return findListed(name)?.isPinned === true
        ? allowMcp(name)
        : refuseMcp('tool_drift', 'the server lists another version of this tool than is pinned');
    },
  };
};
