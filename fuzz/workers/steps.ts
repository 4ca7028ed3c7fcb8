import { Session, type Profiler } from 'node:inspector/promises';
import { parentPort } from 'node:worker_threads';

/**
 * Reads annotations and counts the steps that it takes. A step is one entry of a block of
 * JavaScript (a function, a branch, a turn of a loop), as V8's precise coverage counts them, in all
 * code there is: ours, the YAML parser's, the pattern engine's. What a call of a built-in does inside
 * (a search in a string, a regular expression) counts as the block that calls it, and no more.
 */
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

// Blocks are counted in code that is compiled from here on.
const { createCatalogLoader } = await import('../../lib/catalog/catalog.ts');
const { createTaskReader } = await import('../../lib/injection/declared-tasks.ts');
const { platform } = await import('../../lib/injection/fixtures/sample-platform.ts');
const readTasks = createTaskReader(platform, createCatalogLoader());

const countSteps = async (): Promise<number> => {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  return result
    .filter(({ url }) => !url.startsWith('node:') && !url.includes('/fuzz/workers/'))
    .flatMap(({ functions }) => functions)
    .reduce((sum, { ranges }) => sum + sumCounts(ranges), 0);
};

const sumCounts = (ranges: readonly Profiler.CoverageRange[]): number =>
  ranges.reduce((sum, { count }) => sum + count, 0);

const consumers = { containers: ['agent', 'helper'], addressable: [] };

const readAnnotation = async (text: string) => {
  await countSteps();
  try {
    const result = await readTasks({ annotations: { 'task.valetkey.dev/t': text }, consumers });
    return { steps: await countSteps(), outcome: result.ok ? 'task' : 'faults' };
  } catch (error) {
    return { steps: await countSteps(), outcome: `threw ${String(error)}` };
  }
};

// A service's catalog data is loaded once; no single annotation causes that cost.
await readAnnotation('allow: [{actions: ["s3:Get*", "iam:*", "ec2:*"], resources: ["*"]}]');

parentPort?.on('message', (text: string) => {
  void readAnnotation(text).then((answer) => parentPort?.postMessage(answer));
});
parentPort?.postMessage('ready');
