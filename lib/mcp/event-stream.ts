import type { FilteredAnswer } from './answer-filter.ts';
import { createEventLines, parseEventField } from '../async/event-lines.ts';
import { MAX_ANSWER_BYTES } from './messages.ts';
import { allowMcp, refuseMcp, type McpResult } from './refusals.ts';

/** What one chunk of a server's stream leads to. */
export type StreamOutput = {
  /** For the client, to be flushed at once. */
  readonly forward: string;
  /** For the server: see {@link FilteredAnswer}. */
  readonly replies: readonly string[];
};

export type EventStreamFilter = {
  /** A refusal ends the stream, and later chunks are refused too. */
  readonly push: (chunk: Uint8Array) => McpResult<StreamOutput>;
  /** Size of the event that has begun. */
  readonly getPendingBytes: () => number;
};

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

type Event = { data: string[]; id?: string; retry?: string; isMessage: boolean };

const newEvent = (): Event => ({ data: [], isMessage: true });

const addLine = (event: Event, line: string): void => {
  const { field, value } = parseEventField(line);
  if (field === 'data') event.data.push(value);
  if (field === 'event') event.isMessage = value === '' || value === 'message';
  if (field === 'id' && !value.includes('\0')) event.id = value;
  if (field === 'retry' && /^[0-9]{1,9}$/.test(value)) event.retry = value;
};

const renderEvent = ({ id, retry }: Event, data: string | undefined): string => {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(retry === undefined ? [] : [`retry: ${retry}`]),
    ...(data === undefined ? [] : data.split('\n').map((line) => `data: ${line}`)),
  ];
  return lines.length === 0 ? '' : `${lines.join('\n')}\n\n`;
};

/**
 * Creates a filter of one event stream (MCP 2025-11-25, "Receiving Messages"). It keeps at most one event,
 * and writes each again: what the client reads is what was decided on. Events that are no messages are
 * dropped; their IDs remain, so that a client can resume.
 *
 * @param filter of one message
 */
export const createEventStreamFilter = (
  filter: (message: Uint8Array) => McpResult<FilteredAnswer>,
): EventStreamFilter => {
  const lines = createEventLines();
  let event = newEvent();
  let size = 0;
  let isFirstLine = true;
  let failure: McpResult<never> | undefined;

  const endEvent = (replies: string[]): McpResult<string> => {
    const ended = event;
    [event, size] = [newEvent(), 0];
    const data = ended.data.join('\n');
    // An event with an ID and no data is where a client can resume from.
    if (!ended.isMessage || data === '') return allowMcp(renderEvent(ended, undefined));
    const filtered = filter(Buffer.from(data));
    if (!filtered.ok) return filtered;
    if (filtered.value.reply !== undefined) replies.push(filtered.value.reply);
    return allowMcp(renderEvent(ended, filtered.value.forward));
  };

  const readLine = (bytes: Buffer, replies: string[]): McpResult<string> => {
    const text = isFirstLine ? decoder.decode(bytes).replace(/^\uFEFF/, '') : decoder.decode(bytes);
    isFirstLine = false;
    if (text === '') return endEvent(replies);
    if (text.startsWith(':')) return allowMcp(':\n');
    size += bytes.length + 1;
    addLine(event, text);
    return allowMcp('');
  };

  const readChunk = (chunk: Uint8Array): McpResult<StreamOutput> => {
    const replies: string[] = [];
    let forward = '';
    for (const line of lines.push(chunk)) {
      if (line === undefined) continue;
      const output = readLine(line, replies);
      if (!output.ok) return output;
      if (size > MAX_ANSWER_BYTES) break;
      forward += output.value;
    }
    return size + lines.getPendingBytes() > MAX_ANSWER_BYTES
      ? refuseMcp('upstream_untrusted', `expected events of at most ${MAX_ANSWER_BYTES} bytes`)
      : allowMcp({ forward, replies });
  };

  const push = (chunk: Uint8Array): McpResult<StreamOutput> => {
    if (failure !== undefined) return failure;
    try {
      const output = readChunk(chunk);
      if (!output.ok) failure = output;
      return output;
    } catch {
      failure = refuseMcp('upstream_untrusted', 'expected an event stream in UTF-8');
      return failure;
    }
  };
  return { push, getPendingBytes: () => size + lines.getPendingBytes() };
};
