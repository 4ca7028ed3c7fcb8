import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createEchoScanners, isEchoedIn, type EchoScanner } from '../../calls/echo-scanner.ts';
import { selectHttpResponseHeaders, type AnsweredRequest } from '../../calls/http-headers.ts';
import type { HttpSecret, UpstreamRules } from '../../contract/upstream.ts';
import type { CloudResponse } from './call-responses.ts';
import { RefusedCall, requireValue } from './refused-call.ts';

/** Sends a request to an upstream. */
export type SendHttp = (
  upstream: UpstreamRules,
  request: {
    readonly origin: string;
    readonly method: string;
    readonly path: string;
    readonly headers: ReadonlyMap<string, string>;
    readonly body: Buffer | Readable | null;
    readonly signal: AbortSignal;
  },
) => Promise<CloudResponse>;

/** Building the forms of a secret takes longer than a call; they live as long as the secret. */
const scanners = new WeakMap<HttpSecret, () => EchoScanner>();

const getScanners = (secret: HttpSecret): (() => EchoScanner) => {
  const create = scanners.get(secret) ?? createEchoScanners(secret.echoes);
  scanners.set(secret, create);
  return create;
};

/** Creates a function that says whether a text shows the secret. */
export const createEchoCheck = (secret: HttpSecret): ((text: string) => boolean) => {
  const createScanner = getScanners(secret);
  return (text) => isEchoedIn(createScanner, text);
};

const buildEchoRefusal = (name: string): RefusedCall =>
  new RefusedCall({
    code: 'secret_echoed',
    message: `the upstream ${name} answered with the secret that was presented to it`,
  });

/** Passes on what cannot be the beginning of a secret, chunk by chunk. */
const scanBody = (
  scanner: EchoScanner,
  { name, passed }: { name: string; passed: (bytes: Buffer) => Buffer },
) =>
  async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      const { bytes, isEchoed } = scanner.push(chunk);
      if (bytes.length > 0) yield passed(bytes);
      if (isEchoed) throw buildEchoRefusal(name);
    }
    const rest = scanner.end();
    if (rest.length > 0) yield passed(rest);
  };

/**
 * Streams an answer of an upstream to the client, unless it holds the secret of the run.
 *
 * @throws RefusedCall `secret_echoed`, and what {@link selectHttpResponseHeaders} refuses
 */
export const passHttpResponse = async (
  { status, headers, body }: CloudResponse,
  outgoing: ServerResponse,
  {
    secret,
    answered,
    signal,
    passed = (bytes) => bytes,
    filter = (source) => source,
  }: {
    secret: HttpSecret;
    answered: AnsweredRequest;
    signal: AbortSignal;
    /** Sees each piece before the client; throws to end the answer. */
    passed?: (bytes: Buffer) => Buffer;
    /** Changes the body before it is searched for the secret. */
    filter?: (source: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;
  },
): Promise<void> => {
  const createScanner = getScanners(secret);
  const { name } = secret.upstream;
  let selected: Record<string, string | string[]>;
  try {
    selected = requireValue(selectHttpResponseHeaders(headers, answered));
    const texts = Object.values(selected).flat();
    if (texts.some((text) => isEchoedIn(createScanner, text))) throw buildEchoRefusal(name);
  } catch (thrown) {
    // Destroyed before its end, a body emits an error that ends the process if nothing listens.
    body.on('error', () => undefined).destroy();
    throw thrown;
  }
  outgoing.writeHead(status, selected);
  // An event stream may have its first event only minutes later.
  outgoing.flushHeaders();
  const scan = scanBody(createScanner(), { name, passed });
  await pipeline(body, (source: AsyncIterable<Buffer>) => scan(filter(source)), outgoing, {
    signal,
  });
};
