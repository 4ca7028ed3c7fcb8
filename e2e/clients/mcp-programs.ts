import { join } from 'node:path';
import type { Progress } from '../cluster/progress.ts';
import { installPython } from './client-builds.ts';

const sources = join(import.meta.dirname, 'mcp');

/** A client of MCP with the Python SDK of the virtual environment that starts it. */
export const MCP_CLIENT = join(sources, 'mcp_client.py');
/** A server of MCP, for the newer of the environments. */
export const FASTMCP_SERVER = join(sources, 'fastmcp_server.py');

/** Interpreters of virtual environments. */
export type McpPythons = {
  /** With the SDK of version 1. */
  readonly older: string;
  /** With the SDK of version 2, and FastMCP. */
  readonly newer: string;
};

/** Installs both versions of the Python SDK of MCP, and FastMCP, if the cache does not have them. */
export const installMcpPythons = async (progress: Progress): Promise<McpPythons> => {
  const install = async (name: string, file: string) => {
    const folder = await installPython(name, join(sources, file), () =>
      progress(`installing ${name} (once)`),
    );
    return join(folder, 'bin/python');
  };
  return {
    older: await install('mcp-v1', 'requirements.v1.txt'),
    newer: await install('mcp', 'requirements.txt'),
  };
};
