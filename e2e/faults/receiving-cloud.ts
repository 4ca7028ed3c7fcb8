import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { findOwnAddress } from '../../test/kit/own-address.ts';

/** A cloud that answers each call with the end of the session that signed it, and remembers the call. */
export type ReceivingCloud = {
  readonly url: string;
  /** The ARN of the object of each call that arrived, in their order. */
  readonly listReceived: () => readonly string[];
  readonly stop: () => Promise<void>;
};

const ACCESS_KEY = /Credential=([^/]+)\//;

/**
 * Starts it on an address of this machine that is not loopback, because the gateway refuses that as a cloud; the
 * packets stay in the kernel. It verifies no signatures: `make e2e` does, with real clouds.
 *
 * @param findDeadline when an access key ends, in milliseconds since the epoch; undefined: it is none of the STS
 * @throws Error if the machine has no such address
 */
export async function startReceivingCloud(
  findDeadline: (accessKeyId: string) => number | undefined,
): Promise<ReceivingCloud> {
  const address = findOwnAddress();
  if (address === undefined) throw new Error('expected an address besides loopback, got none');
  const received: string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    const [path = ''] = (request.url ?? '').split('?');
    received.push(`arn:aws:s3:::${path.slice(1)}`);
    const [, accessKeyId = ''] = ACCESS_KEY.exec(request.headers.authorization ?? '') ?? [];
    const deadline = findDeadline(accessKeyId);
    response
      .writeHead(deadline === undefined ? 403 : 200, { 'content-type': 'text/plain' })
      .end(String(deadline));
  });
  // The gateway keeps connections: one that closes first races the next call.
  server.keepAliveTimeout = 95_000;
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    url: `http://${address}:${(server.address() as AddressInfo).port}`,
    listReceived: () => received,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
