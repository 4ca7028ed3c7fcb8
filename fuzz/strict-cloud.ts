import { createServer, type AddressInfo, type Socket } from 'node:net';

/** A request as a reader takes it that accepts one reading only. */
export type CloudRequest = {
  readonly method: string;
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
};

export type StrictCloud = {
  readonly origin: string;
  /** @returns what arrived since the last call, and what no strict reader accepts */
  readonly take: () => { readonly requests: readonly CloudRequest[]; readonly faults: string[] };
  readonly close: () => Promise<void>;
};

const REQUEST_LINE = /^([A-Z]{3,7}) (\/[\x21-\x7e]*) HTTP\/1\.1$/;
const HEADER = /^([a-z0-9-]+): ([\t\x20-\x7e\x80-\xff]*)$/i;
const LENGTH = /^(?:0|[1-9][0-9]{0,8})$/;
const RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

/** @throws Error for everything that two readers could take differently */
const parseHead = (head: string): Omit<CloudRequest, 'body'> => {
  const [line = '', ...lines] = head.split('\r\n');
  const [, method, target] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || target === undefined) throw new Error(`request line: ${line}`);
  const headers = new Map<string, string>();
  for (const each of lines) {
    const [, name = '', value = ''] = HEADER.exec(each) ?? [];
    if (name === '' || headers.has(name.toLowerCase())) throw new Error(`header: ${each}`);
    headers.set(name.toLowerCase(), value);
  }
  if (headers.has('transfer-encoding')) throw new Error('Transfer-Encoding');
  if (!LENGTH.test(headers.get('content-length') ?? '0')) throw new Error('Content-Length');
  return { method, target, headers };
};

/**
 * Starts a cloud on a plain socket, so that no HTTP server hides what arrived. It answers a request when
 * its last byte arrived; bytes beyond it are a fault, because the gateway does not pipeline.
 */
export const startStrictCloud = async (): Promise<StrictCloud> => {
  let requests: CloudRequest[] = [];
  let faults: string[] = [];
  const sockets = new Set<Socket>();

  const readRequest = (bytes: Buffer): Buffer | undefined => {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const head = parseHead(bytes.toString('latin1', 0, end));
    const bodyEnd = end + 4 + Number(head.headers.get('content-length') ?? 0);
    if (bytes.length < bodyEnd) return undefined;
    requests.push({ ...head, body: bytes.subarray(end + 4, bodyEnd) });
    return bytes.subarray(bodyEnd);
  };

  const server = createServer((socket) => {
    sockets.add(socket);
    let pending = Buffer.alloc(0);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      try {
        const rest = readRequest(pending);
        if (rest === undefined) return;
        if (rest.length > 0) throw new Error(`${rest.length} bytes after a request`);
        pending = Buffer.alloc(0);
        socket.write(RESPONSE);
      } catch (error) {
        faults.push((error as Error).message);
        socket.destroy();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take: () => {
      const taken = { requests, faults };
      requests = [];
      faults = [];
      return taken;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
