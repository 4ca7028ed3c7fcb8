import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Sends requests to a worker. A worker that does not answer in time, or ends, is an error. */
export type WorkerClient<T> = {
  readonly ask: (text: string) => Promise<T>;
  readonly close: () => Promise<void>;
};

/**
 * Runs `workers/<name>.ts` on a thread of its own, from the first request on. A request that hangs or
 * crashes there can be ended and does not affect the caller. The timeout allows for loaded machines.
 */
export const createWorkerClient = <T>(name: string, timeoutMs = 60_000): WorkerClient<T> => {
  let worker: Worker | undefined;
  const end = async (): Promise<void> => {
    await worker?.terminate();
    worker = undefined;
  };
  const begin = async (): Promise<Worker> => {
    const url = new URL(`./workers/${name}.ts`, import.meta.url);
    const begun = new Worker(url, { execArgv: ['--disable-warning=ExperimentalWarning'] });
    await waitForAnswer(begun, timeoutMs);
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
