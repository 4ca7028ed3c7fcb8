import { isMainThread } from 'node:worker_threads';
import { runInside, isInside } from './network-namespace.ts';

export type HttpRequest = {
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: string;
};
export type HttpResponse = { status: number; headers: Record<string, string>; body: string };

/** Sends an HTTP request in the cluster's network, through a child process if this one is outside. */
export async function sendInsideNamespace(
  namespace: string | undefined,
  request: HttpRequest,
): Promise<HttpResponse> {
  if (namespace === undefined || isInside(namespace)) return sendHttpRequest(request);
  const { stdout } = await runInside(namespace, process.execPath, [import.meta.filename], {
    input: JSON.stringify(request),
  });
  return JSON.parse(stdout) as HttpResponse;
}

async function sendHttpRequest({ method, url, headers, body }: HttpRequest): Promise<HttpResponse> {
  const response = await fetch(url, {
    method,
    ...(headers && { headers }),
    ...(body !== undefined && { body }),
  });
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  };
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

if (isMainThread && process.argv[1] === import.meta.filename) {
  try {
    const response = await sendHttpRequest(JSON.parse(await readInput()) as HttpRequest);
    process.stdout.write(JSON.stringify(response));
  } catch (error) {
    // The cause explains `fetch failed`.
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    process.stderr.write(String(cause));
    process.exitCode = 1;
  }
}
