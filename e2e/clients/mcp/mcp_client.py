"""Uses an MCP server with the unmodified Python SDK, of version 1 or 2, and prints what it saw as JSON.

Usage: mcp_client.py URL TOKEN_FILE MODE PLAN
MODE is "legacy" (sessions), or with version 2 a version of MCP without sessions.
PLAN is JSON: [{"name": …, "arguments": {…}}]: the tools to call.
Prints {"names": […], "calls": [{"isError": …, "text": …, "progress": […]}]}.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

try:
    import httpx2 as httpx
    from mcp import Client
except ImportError:
    import httpx

    Client = None

url, token_file, mode, plan = sys.argv[1:]


@asynccontextmanager
async def connect():
    headers = {"authorization": f"Bearer {Path(token_file).read_text().strip()}"}
    async with httpx.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(url, http_client=http)
        if Client is not None:
            async with Client(transport, mode=mode) as client:
                yield client
        else:
            async with transport as (read, write, *_), ClientSession(read, write) as session:
                await session.initialize()
                yield session


async def call(client, name, arguments):
    progress = []

    async def add(done, total, message):
        progress.append(done)

    result = await client.call_tool(name, arguments, progress_callback=add)
    is_error = result.is_error if hasattr(result, "is_error") else result.isError
    text = "".join(getattr(content, "text", "") for content in result.content)
    return {"isError": bool(is_error), "text": text, "progress": progress}


async def main():
    async with connect() as client:
        names = sorted(tool.name for tool in (await client.list_tools()).tools)
        calls = [await call(client, **each) for each in json.loads(plan)]
        print(json.dumps({"names": names, "calls": calls}))


asyncio.run(main())
