import { createHash, createPublicKey } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyPair, Pki } from './pki.ts';
import type { Cluster } from './cluster-file.ts';
import { startProgram } from './processes.ts';
import type { Program } from './processes.ts';

export type JsonWebKeyDocument = Record<string, unknown>;

/**
 * Writes the discovery document and the keys of an issuer, as compact JSON, which RGW's parser requires.
 * The proxy reads them for each request, so issuers can be added and changed while it runs.
 */
export function publishIssuer(
  folder: string,
  issuer: string,
  algorithm: string,
  keys: JsonWebKeyDocument[],
): void {
  const root = join(folder, new URL(issuer).pathname);
  mkdirSync(join(root, '.well-known'), { recursive: true });
  const discovery = {
    issuer,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [algorithm],
  };
  writeFileSync(join(root, '.well-known', 'openid-configuration'), JSON.stringify(discovery));
  writeFileSync(join(root, 'jwks'), JSON.stringify({ keys }));
}

/** The key of the cluster's tokens with the API server's `kid`, and the `x5c` that RGW requires. */
export function buildServiceAccountJwk(keys: Pki['serviceAccounts']): JsonWebKeyDocument {
  const key = createPublicKey(readFileSync(keys.publicKey));
  const der = key.export({ type: 'spki', format: 'der' });
  const kid = createHash('sha256').update(der).digest('base64url');
  const jwk = key.export({ format: 'jwk' });
  return {
    kty: jwk.kty,
    kid,
    use: 'sig',
    alg: 'RS256',
    n: jwk.n,
    e: jwk.e,
    x5c: [readCertificateBody(keys.certificate)],
  };
}

/**
 * Serves the documents of an authority in the cluster at the issuer's address. `upstream` can be changed
 * at any time.
 *
 * @returns the issuer's URL
 */
export function publishUpstream(cluster: Cluster, name: string, upstream: string): string {
  const root = join(cluster.issuerFolder, name);
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'upstream'), upstream);
  return new URL(name, cluster.issuer).href;
}

/** Creates an issuer of ID tokens of users; a test publishes its keys. */
export const userAudience = 'valetkey.example';

export function createUserIssuer(cluster: Cluster): string {
  return new URL('people', cluster.issuer).href;
}

/** Converts a PEM certificate to an `x5c` value: DER in base64 on one line. */
export function readCertificateBody(file: string): string {
  return readFileSync(file, 'utf8').replaceAll(/-----[^-]+-----|\s/g, '');
}

/** Computes the thumbprint by which RGW and IAM identify an issuer's key: SHA-1 of the DER in `x5c`. */
export function computeThumbprint(x5c: string): string {
  const der = Buffer.from(x5c, 'base64');
  return createHash('sha1').update(der).digest('hex').toUpperCase();
}

type IssuerProxyPlan = {
  folder: string;
  namespace: string;
  address: string;
  documents: string;
  tls: KeyPair;
};

/** Starts the issuer proxy (TLS) on port 443 of the issuer's address. */
export function startIssuerProxy(plan: IssuerProxyPlan): Program {
  return startProgram({
    folder: plan.folder,
    namespace: plan.namespace,
    name: 'issuer-front',
    command: process.execPath,
    args: [
      join(import.meta.dirname, 'issuer-proxy.ts'),
      plan.address,
      plan.documents,
      plan.tls.certificate,
      plan.tls.key,
    ],
  });
}
