import { connect } from 'node:tls';

/** Fingerprints of what replicas serve with, asked one by one. */
export const readServedCertificates = (addresses: string[], port: number): Promise<string[]> =>
  Promise.all(addresses.map((host) => readFingerprint(host, port)));

const readFingerprint = (host: string, port: number): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // Which certificate it is, is the question: nothing is sent, nothing trusted.
  const socket = connect({ host, port, rejectUnauthorized: false, timeout: 5_000 }, () => {
    resolve(socket.getPeerCertificate().fingerprint256);
    socket.destroy();
  });
  socket.on('error', reject);
  socket.on('timeout', () => socket.destroy(new Error(`${host} does not answer`)));
  return promise;
};
