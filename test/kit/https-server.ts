import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

import {
  createCertificateAuthority,
  signLeaf,
} from '../../lib/certificate/certificate-authority.ts';
import { createEndpointSender } from '../../lib/edge/http/endpoint-client.ts';

/** Sends requests to servers on loopback too. */
export const sendToEndpoint = createEndpointSender({ isAllowedAddress: () => true });

export type HttpsServer = {
  /** `https://localhost:<port>`. */
  readonly origin: string;
  readonly caBundle: string;
  readonly close: () => Promise<void>;
};

/** Serves HTTPS on loopback with a certificate of its own authority. */
export const startHttpsServer = async (
  createListener: (origin: string) => RequestListener,
): Promise<HttpsServer> => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createCertificateAuthority(terms);
  const { certificate, key } = await signLeaf(authority, { ...terms, names: ['localhost'] });
  const server: Server = createServer({ cert: certificate, key });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  server.on('request', createListener(origin));
  return {
    origin,
    caBundle: authority.certificate,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
