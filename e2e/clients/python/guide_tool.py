"""Calls the tool `read_report` of a page of docs/guides as its framework does, unmodified.

Arguments: the framework, the page, the name of a report. Prints what a model would read, as one JSON line. The model itself
takes no part.
"""

import asyncio
import json
import re
import sys

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def load(page):
    """Runs the first program of the page as a module, so without what is below `__main__`."""
    with open(page, encoding="utf8") as file:
        [source, *_] = BLOCK.findall(file.read())
    module = {"__name__": "guide"}
    exec(compile(source, page, "exec"), module)
    return module


def call_langchain(module, name):
    return module["read_report"].invoke({"name": name})


def call_openai_agents(module, name):
    from agents.tool_context import ToolContext

    text = json.dumps({"name": name})
    context = ToolContext(
        context=None, tool_name="read_report", tool_call_id="call_1", tool_arguments=text
    )
    return asyncio.run(module["read_report"].on_invoke_tool(context, text))


def call_mcp(module, name):
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        result = asyncio.run(module["server"].call_tool("read_report", {"name": name}))
    except ToolError as error:
        return str(error)
    return result.content[0].text


CALLS = {"langchain": call_langchain, "openai-agents": call_openai_agents, "mcp-servers": call_mcp}

if __name__ == "__main__":
    framework, page, name = sys.argv[1:]
    print(json.dumps({"text": CALLS[framework](load(page), name)}))
