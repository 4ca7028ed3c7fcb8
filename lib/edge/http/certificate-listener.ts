import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { ServingCertificate } from '../../certificate/serving-certificate.ts';
import type { Address } from '../../config/addresses.ts';
import { LoggableError } from '../../schema/loggable-error.ts';
import type { HttpsServer } from './https-server.ts';

/** Where to listen, and the setting that says so. */
type ListenTarget = { readonly setting: string; readonly address: Address };

export type CertificateListener = {
  /**
   * Serves with this one from now on; the first time it begins to listen.
   *
   * @throws what TLS says of a certificate that it cannot serve; the one at hand serves on
   */
  readonly use: (serving: ServingCertificate) => void;
  /** Nothing while it does not listen. */
  readonly port: () => number | undefined;
};

/** @param terms.onUse told of every certificate that is new */
export const createCertificateListener = (
  server: HttpsServer,
  terms: { readonly listen: ListenTarget; readonly onUse: (serving: ServingCertificate) => void },
): CertificateListener => {
  let used: string | undefined;
  let port: number | undefined;
  const open = async (): Promise<void> => {
    try {
      port = await server.listen(terms.listen.address);
    } catch (cause) {
      throw toListenError(terms.listen, cause);
    }
  };
  return {
    port: () => port,
    use: (serving) => {
      if (serving.certificate === used) return;
      const isFirst = used === undefined;
      server.useCertificate(serving);
      used = serving.certificate;
      terms.onUse(serving);
      // A port that is taken ends the program: nobody waits for this promise.
      if (isFirst) void open();
    },
  };
};

/** Listens without TLS, and answers the port. @throws LoggableError */
export const listenPlaintext = (server: Server, place: ListenTarget): Promise<number> =>
  new Promise((resolve, reject) => {
    const { host, port } = place.address;
    server.once('error', (cause) => reject(toListenError(place, cause)));
    server.listen({ port, ...(host !== '' && { host }) }, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });

const toListenError = ({ setting, address }: ListenTarget, cause: unknown): LoggableError => {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException;
  const where = `${address.host}:${address.port}`;
  return new LoggableError(`${setting}: ${where} cannot be listened on (${code})`, { cause });
};
