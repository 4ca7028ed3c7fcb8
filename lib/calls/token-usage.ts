import { createPieceList } from '../async/piece-list.ts';
import { isMapping, toMapping, type Mapping } from '../schema/mapping.ts';
import { createEventReader } from './server-sent-events.ts';

/** Counts the tokens of one answer of a model API, which passes on unchanged. */
export type UsageCounter = {
  readonly push: (chunk: Uint8Array) => void;
  /** @param isComplete whether the answer reached its end */
  readonly end: (isComplete: boolean) => number;
};

/** Answers and events above are estimated: usage is a member of their JSON, and must be kept to be read. */
const MAX_JSON_BYTES = 4 * 1024 * 1024;
const MAX_EVENT_BYTES = 1024 * 1024;
/** Fewer bytes than a token has on average, so that an estimate is not too low. */
const BYTES_PER_TOKEN = 3;

/** Where OpenAI (chat, responses) and Anthropic (messages, their first event) report usage. */
const findUsages = (value: unknown): readonly Mapping[] => {
  const { usage, message, response } = toMapping(value);
  return [usage, toMapping(message)['usage'], toMapping(response)['usage']].filter(isMapping);
};

/** Disjoint numbers; those of details are contained in them. */
const MEMBERS = [
  'prompt_tokens',
  'completion_tokens',
  'input_tokens',
  'output_tokens',
  'cache_creation_input_tokens',
  'cache_read_input_tokens',
] as const;

const toCount = (value: unknown): number =>
  Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0;

/** Numbers in later events are totals and replace earlier ones; an upstream cannot lower them. */
const createTotals = () => {
  const totals = new Map<string, number>();
  let isReported = false;
  return {
    add: (value: unknown): void => {
      for (const usage of findUsages(value)) {
        isReported = true;
        for (const name of [...MEMBERS, 'total_tokens']) {
          totals.set(name, Math.max(totals.get(name) ?? 0, toCount(usage[name])));
        }
      }
    },
    read: (): number | undefined => {
      if (!isReported) return undefined;
      const sum = MEMBERS.reduce((before, name) => before + (totals.get(name) ?? 0), 0);
      const total = totals.get('total_tokens') ?? 0;
      // OpenAI's total is authoritative; its input contains what was cached.
      return total > 0 ? total : sum;
    },
  };
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/**
 * Creates a counter. An answer that was cut, or too large to be read, is estimated by its bytes and those of
 * its request: else a client that closes each stream before its last event would use no tokens.
 *
 * @param contentType of the answer
 * @param isModelCall whether an answer without usage is estimated, too: chat completions report none in a
 *   stream unless the request asks for it
 */
export const createUsageCounter = ({
  contentType,
  requestBytes,
  isModelCall = false,
}: {
  contentType: string;
  requestBytes: number;
  isModelCall?: boolean;
}): UsageCounter => {
  const isStream = /^text\/event-stream(?:\s*;|$)/i.test(contentType);
  const isJson = /^application\/(?:[\w.-]+\+)?json(?:\s*;|$)/i.test(contentType);
  const totals = createTotals();
  const events = createEventReader(MAX_EVENT_BYTES);
  const chunks = createPieceList();
  let length = 0;
  const estimate = () => Math.ceil((requestBytes + length) / BYTES_PER_TOKEN);
  return {
    push: (chunk) => {
      length += chunk.length;
      if (isStream) events.push(chunk).map(parse).forEach(totals.add);
      else if (isJson && length <= MAX_JSON_BYTES) chunks.push(chunk);
      else chunks.clear();
    },
    end: (isComplete) => {
      if (isJson && length <= MAX_JSON_BYTES) {
        totals.add(parse(Buffer.concat(chunks.list()).toString()));
      }
      const isRead = isComplete && !events.hasSkipped() && (isStream || length <= MAX_JSON_BYTES);
      const reported = totals.read();
      if (!isRead) return Math.max(reported ?? 0, estimate());
      return reported ?? (isModelCall ? estimate() : 0);
    },
  };
};
