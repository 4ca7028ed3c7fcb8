import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Asks a worker; one that does not answer in time, or ends, is an error that says so. */
export type WorkerClient<T> = {
  readonly ask: (text: string) => Promise<T>;
  readonly close: () => Promise<void>;
};

/**
 * Runs `workers/<name>.ts` on a thread of its own, begun at the first question: what hangs there can
 * be ended, and what breaks there breaks nothing here.
 */
export const createWorkerClient = <T>(name: string, timeoutMs = 20_000): WorkerClient<T> => {
  let worker: Worker | undefined;
  const end = async (): Promise<void> => {
    await worker?.terminate();
    worker = undefined;
  };
  const begin = async (): Promise<Worker> => {
    const url = new URL(`./workers/${name}.ts`, import.meta.url);
    const begun = new Worker(url, { execArgv: ['--disable-warning=ExperimentalWarning'] });
    await waitForAnswer(begun, timeoutMs * 3);
    return begun;
  };
  return {
    ask: async (text) => {
      worker ??= await begin();
      const answer = waitForAnswer<T>(worker, timeoutMs);
      worker.postMessage(text);
      try {
        return await answer;
      } catch (error) {
        await end();
        throw error;
      }
    },
    close: end,
  };
};

const waitForAnswer = async <T>(worker: Worker, timeoutMs: number): Promise<T> => {
  const over = new AbortController();
  const { signal } = over;
  const late = setTimeout(() => over.abort(), timeoutMs);
  try {
    const [answer] = (await Promise.race([
      once(worker, 'message', { signal }),
      once(worker, 'exit', { signal }).then(() => Promise.reject(new Error('the worker ended'))),
    ])) as [T];
    return answer;
  } catch (error) {
    throw signal.aborted ? new Error(`no answer in ${timeoutMs} ms`) : error;
  } finally {
    clearTimeout(late);
    over.abort();
  }
};
