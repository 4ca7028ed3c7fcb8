import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Serving } from '../../certificate/serving.ts';
import type { Address } from '../../config/addresses.ts';
import { StatedError } from '../../reading/stated-error.ts';
import type { HttpsServer } from './https-server.ts';

/** Where to listen, and the setting that says so. */
type Place = { readonly setting: string; readonly address: Address };

export type CertificateUser = {
  /**
   * Serves with this one from now on; the first time it begins to listen.
   *
   * @throws what TLS says of a certificate that it cannot serve; the one at hand serves on
   */
  readonly use: (serving: Serving) => void;
  /** Nothing while it does not listen. */
  readonly port: () => number | undefined;
};

/** @param terms.onUse told of every certificate that is new */
export const listenAtFirstCertificate = (
  server: HttpsServer,
  terms: { readonly listen: Place; readonly onUse: (serving: Serving) => void },
): CertificateUser => {
  let used: string | undefined;
  let port: number | undefined;
  const open = async (): Promise<void> => {
    try {
      port = await server.listen(terms.listen.address);
    } catch (cause) {
      throw listenError(terms.listen, cause);
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

/** Listens without TLS, and answers the port. @throws StatedError */
export const listenPlainly = (server: Server, place: Place): Promise<number> =>
  new Promise((resolve, reject) => {
    const { host, port } = place.address;
    server.once('error', (cause) => reject(listenError(place, cause)));
    server.listen({ port, ...(host !== '' && { host }) }, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });

const listenError = ({ setting, address }: Place, cause: unknown): StatedError => {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException;
  const where = `${address.host}:${address.port}`;
  return new StatedError(`${setting}: ${where} cannot be listened on (${code})`, { cause });
};
