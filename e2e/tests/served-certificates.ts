import { connect } from 'node:tls';

/** Reads the fingerprint of the certificate that each address serves. */
export const readServedCertificates = (addresses: string[], port: number): Promise<string[]> =>
  Promise.all(addresses.map((host) => readFingerprint(host, port)));

const readFingerprint = (host: string, port: number): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // Only the certificate is read: nothing is sent, so it need not be trusted.
  const socket = connect({ host, port, rejectUnauthorized: false, timeout: 5_000 }, () => {
    resolve(socket.getPeerCertificate().fingerprint256);
    socket.destroy();
  });
  socket.on('error', reject);
  socket.on('timeout', () => socket.destroy(new Error(`${host} does not answer`)));
  return promise;
};
