"""An MCP server made with FastMCP, which accepts only the key in the variable KEY.

Usage: fastmcp_server.py HOST PORT
"""

import os
import sys

from fastmcp import Context, FastMCP
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

host, port = sys.argv[1:]
auth = StaticTokenVerifier(tokens={os.environ["KEY"]: {"client_id": "gateway", "scopes": []}})
server = FastMCP("files", auth=auth)
called: list[str] = []


@server.tool
def echo(message: str) -> str:
    """Returns a message."""
    called.append("echo")
    return f"Echo: {message}"


@server.tool
async def count(steps: int, context: Context) -> str:
    """Reports progress at each step."""
    called.append("count")
    for step in range(1, steps + 1):
        await context.report_progress(step, steps)
    return "counted"


@server.tool
def delete(path: str) -> str:
    """What no task of the tests allows."""
    called.append("delete")
    return f"deleted {path}"


@server.tool
def list_calls() -> str:
    """Names the tools that were called, so that a test sees what reached the server."""
    return " ".join(called)


server.run(transport="http", host=host, port=int(port), path="/mcp", show_banner=False)
