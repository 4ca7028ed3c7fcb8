import { createEventLines, parseEventField } from '../async/event-lines.ts';

/** Reads the data of events (WHATWG HTML, section 9.2.6) beside the stream, which passes on unchanged. */
export type EventReader = {
  /** @returns the data of each event that this chunk completes */
  readonly push: (chunk: Uint8Array) => readonly string[];
  /** Whether an event was too large to be kept. */
  readonly hasSkipped: () => boolean;
};

/**
 * Creates a reader that keeps at most one event.
 *
 * @param maxEventBytes larger events are skipped up to their end
 */
export const createEventReader = (maxEventBytes: number): EventReader => {
  const lines = createEventLines();
  let data: string[] = [];
  let size = 0;
  let isTooLarge = false;
  let hasSkipped = false;

  /** @returns the data of the event, if it was kept and has any */
  const endEvent = (): readonly string[] => {
    const event = isTooLarge || data.length === 0 ? [] : [data.join('\n')];
    hasSkipped ||= isTooLarge;
    [data, size, isTooLarge] = [[], 0, false];
    return event;
  };
  const checkSize = (bytes: number): void => {
    if (bytes > maxEventBytes) [isTooLarge, data] = [true, []];
  };
  const readLine = (line: Buffer | undefined): readonly string[] => {
    if (line?.length === 0) return endEvent();
    size += line?.length ?? 0;
    checkSize(size);
    if (line === undefined || isTooLarge) return [];
    const { field, value } = parseEventField(line.toString('utf8'));
    if (field === 'data') data.push(value);
    return [];
  };

  return {
    push: (chunk) => {
      const events: string[] = [];
      for (const line of lines.push(chunk)) events.push(...readLine(line));
      checkSize(size + lines.getPendingBytes());
      if (isTooLarge && lines.getPendingBytes() > 0) lines.drop();
      return events;
    },
    hasSkipped: () => hasSkipped || isTooLarge,
  };
};
