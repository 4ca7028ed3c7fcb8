import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Serving } from '../../lib/certificate/serving.ts';
import type { Address } from '../../lib/config/addresses.ts';
import { AUTHORITY_ENV } from '../../lib/contract/environment.ts';
import type { HttpsServer } from '../../lib/edge/http/https-server.ts';
import { StatedError } from './stated-error.ts';

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
  terms: { readonly listen: Address; readonly onUse: (serving: Serving) => void },
): CertificateUser => {
  let used: string | undefined;
  let port: number | undefined;
  const open = async (): Promise<void> => {
    try {
      port = await server.listen(terms.listen);
    } catch (cause) {
      throw listenError(AUTHORITY_ENV.listen, terms.listen, cause);
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

/** Listens without TLS, and answers the port. */
export const listenPlainly = (server: Server, address: Address): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(AUTHORITY_ENV.telemetry, address, cause)));
    server.listen({ port: address.port, ...(address.host !== '' && { host: address.host }) }, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });

const listenError = (setting: string, { host, port }: Address, cause: unknown): StatedError => {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException;
  return new StatedError(`${setting}: ${host}:${port} cannot be listened on (${code})`, { cause });
};
