import { describe, expect, it } from '@jest/globals';

import { createSidecarLog } from './sidecar-log.ts';

const createTestLog = (level: 'debug' | 'info') => {
  const lines: string[] = [];
  const now = () => Date.parse('2026-01-01T00:00:00Z');
  return { lines, log: createSidecarLog({ level, now, write: (line) => lines.push(line) }) };
};

describe('createSidecarLog', () => {
  it('writes the same JSON lines as the other programs', () => {
    const { log, lines } = createTestLog('info');
    log.warn('exchange refused', { task: 'summarize', reason: 'a "quote"\nand a line' });
    expect(lines).toEqual([
      '{"time":"2026-01-01T00:00:00.000Z","level":"warn","program":"sidecar","task":"summarize","reason":"a \\"quote\\"\\nand a line","message":"exchange refused"}\n',
    ]);
  });

  it('writes no line below its level', () => {
    const { log, lines } = createTestLog('info');
    log.debug('detail');
    log.info('run started');
    expect(lines).toHaveLength(1);
  });
});
