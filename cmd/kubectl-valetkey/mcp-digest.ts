import { Command } from 'commander';

import type { ToolPin } from '../../lib/contract/upstream.ts';
import { MAX_TOOL_PINS, TOOL_NAME } from '../../lib/contract/upstream.ts';
import { isObject, type JsonObject } from '../../lib/mcp/messages.ts';
import { digestTool } from '../../lib/mcp/tool-digest.ts';
import { formatValue, type FieldError } from '../../lib/schema/field-error.ts';
import { parseStrictJson } from '../../lib/schema/strict-json.ts';
import {
  newCommand,
  printResult,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import { formatFileName, readText } from './files.ts';
import { createUsageError } from './tool-error.ts';

/** `mcp digest FILE` */
export const createMcpCommand = (shell: Shell): Command =>
  new Command('mcp')
    .summary('Pin the tools of MCP servers')
    .description('Pin the tools of MCP servers.')
    .addCommand(
      withOutput(
        newCommand('digest', "Print the pins of a server's tools for its Upstream", [
          ['kubectl valetkey mcp digest tools.json', 'From a saved answer to tools/list'],
          [
            `curl -sN https://mcp.example/mcp -H 'Accept: application/json, text/event-stream' --json @list.json | kubectl valetkey mcp digest -`,
            'From the answer of a server, JSON or an event stream',
          ],
        ]).argument(
          '<file>',
          'Answer to tools/list, or all pages one after the other; - for stdin',
        ),
      ).action(async (file: string, options: OutputOptions) => {
        const pins = readPins(await readText(shell.io, file), formatFileName(file));
        const lines = pins.flatMap(({ name, digest }) => [
          `  - name: ${JSON.stringify(name)}`,
          `    digest: ${digest}`,
        ]);
        const result = { isHealthy: true, lines: ['tools:', ...lines], json: { tools: pins } };
        printResult(shell, result, options.output);
      }),
    );

/** As the gateway reads answers. */
const STRICT = { maxDepth: 64, foldCaseDepth: 4 };

/** One message, one for each line, or the `data` lines of an event stream. */
const listMessages = (text: string): readonly unknown[] => {
  const whole = parseStrictJson(Buffer.from(text), STRICT);
  if (whole.ok) return [whole.value];
  return text
    .split(/\r?\n/)
    .map((line) => parseStrictJson(Buffer.from(line.replace(/^data: ?/, '')), STRICT))
    .flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
};

const listTools = (message: unknown): readonly unknown[] => {
  const { result = message } = isObject(message) ? message : {};
  const tools = isObject(result) ? result['tools'] : undefined;
  return Array.isArray(tools) ? tools : [];
};

const checkTool = (tool: unknown, names: readonly unknown[]): string | undefined => {
  const { name } = isObject(tool) ? tool : {};
  if (typeof name !== 'string' || !TOOL_NAME.test(name)) {
    return 'a tool whose name has 1 to 128 visible characters of ASCII';
  }
  return names.filter((each) => each === name).length > 1 ? 'each tool once' : undefined;
};

/** @throws ToolError with all faults */
const readPins = (text: string, file: string): readonly ToolPin[] => {
  const tools = listMessages(text).flatMap(listTools);
  const names = tools.map((tool) => (isObject(tool) ? tool['name'] : undefined));
  const faults: FieldError[] = tools.flatMap((tool, index) => {
    const expected = checkTool(tool, names);
    const path = `${file} tools[${index}]`;
    return expected === undefined ? [] : [{ path, expected, got: formatValue(names[index]) }];
  });
  if (tools.length === 0 || tools.length > MAX_TOOL_PINS) {
    const expected = `an answer to tools/list with 1 to ${MAX_TOOL_PINS} tools`;
    faults.push({ path: file, expected, got: `${tools.length} tools` });
  }
  if (faults.length > 0) throw createUsageError(faults);
  return tools.map((tool) => toPin(tool as JsonObject, file));
};

const toPin = (tool: JsonObject, file: string): ToolPin => {
  const digest = digestTool(tool);
  const name = String(tool['name']);
  if (digest !== undefined) return { name, digest };
  const expected = 'a tool whose texts are well-formed Unicode';
  throw createUsageError([{ path: file, expected, got: formatValue(name) }]);
};
