import { renderResult, type Format } from '../command-result.ts';
import type { Io } from '../io.ts';
import { renderLine } from '../text-line.ts';
import type { FoundRecord } from './record-filter.ts';

/**
 * Creates the renderer of single records: a line for people, which is red for a refusal on a terminal with colors; the
 * record's own line as JSON; or a YAML document.
 */
export const createRecordRenderer =
  (format: Format, { hasColor }: Pick<Io, 'hasColor'>) =>
  (record: FoundRecord): string => {
    if (format === 'json') return `${record.line}\n`;
    if (format === 'yaml') {
      const json = JSON.parse(record.line) as object;
      return `---\n${renderResult({ isHealthy: true, lines: [], json }, 'yaml')}`;
    }
    const text = formatRecord(record);
    return renderLine(record.isDenied ? { text, color: 'red' } : text, hasColor);
  };

/** `2026-01-05T13:30:00.000Z  run.refused  research/agent-7 summarize  run k3v…  policy_denied: …` */
const formatRecord = ({ shown }: FoundRecord): string => {
  const { at, kind, namespace, pod, task, run, user, code, message, subject, count } = shown;
  const workload = namespace === '' ? '' : `${namespace}/${pod}${task === '' ? '' : ` ${task}`}`;
  return [
    new Date(at).toISOString(),
    kind.padEnd(KIND_WIDTH),
    workload || subject,
    run === '' ? '' : `run ${run}`,
    user === '' ? '' : `for ${user}`,
    count === 1 ? '' : `${count} events`,
    [code, message].filter((each) => each !== '').join(': '),
  ]
    .filter((each) => each !== '')
    .join('  ');
};

const KIND_WIDTH = 'run.end_refused'.length;
