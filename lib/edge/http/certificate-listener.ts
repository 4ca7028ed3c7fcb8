import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { ServingCertificate } from '../../certificate/serving-certificate.ts';
import type { Address } from '../../config/addresses.ts';
import { LoggableError } from '../../schema/loggable-error.ts';
import type { HttpsServer } from './https-server.ts';

/** An address and the setting that contains it. */
type ListenTarget = { readonly setting: string; readonly address: Address };

export type CertificateListener = {
  /**
   * Serves new connections with this certificate. The first certificate starts the listener.
   *
   * @throws an error of TLS if it cannot serve the certificate; the current one stays in use
   */
  readonly use: (serving: ServingCertificate) => void;
  /** Undefined before the listener started. */
  readonly port: () => number | undefined;
};

/** Creates a listener that starts with its first certificate; `onUse` is called for each new one. */
export const createCertificateListener = (
  server: HttpsServer,
  options: { readonly listen: ListenTarget; readonly onUse: (serving: ServingCertificate) => void },
): CertificateListener => {
  let used: string | undefined;
  let port: number | undefined;
  const open = async (): Promise<void> => {
    try {
      port = await server.listen(options.listen.address);
    } catch (cause) {
      throw toListenError(options.listen, cause);
    }
  };
  return {
    port: () => port,
    use: (serving) => {
      if (serving.certificate === used) return;
      const isFirst = used === undefined;
      server.useCertificate(serving);
      used = serving.certificate;
      options.onUse(serving);
      // No caller awaits this promise: a port that is in use ends the program.
      if (isFirst) void open();
    },
  };
};

/** Listens without TLS and returns the port. @throws LoggableError */
export const listenPlaintext = (server: Server, target: ListenTarget): Promise<number> =>
  new Promise((resolve, reject) => {
    const { host, port } = target.address;
    server.once('error', (cause) => reject(toListenError(target, cause)));
    server.listen({ port, ...(host !== '' && { host }) }, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });

const toListenError = ({ setting, address }: ListenTarget, cause: unknown): LoggableError => {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException;
  const where = `${address.host}:${address.port}`;
  return new LoggableError(`${setting}: cannot listen on ${where} (${code})`, { cause });
};
