import { createHash, createPublicKey } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyPair, Pki } from './pki.ts';
import type { Cluster } from './cluster-file.ts';
import { startProgram } from './processes.ts';
import type { Program } from './processes.ts';

export type JsonWebKeyDocument = Record<string, unknown>;

/**
 * Writes what an issuer serves: its discovery document and its keys, compact (RGW's parser wants that).
 * The front reads them anew for each request, so issuers may come and change while it runs.
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

/** The key of the cluster's tokens as the API server names it, with the `x5c` that RGW asks for. */
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
 * Serves, at the issuer's address, what an authority in the cluster serves itself; answers the
 * issuer's URL. `upstream` may change while it runs.
 */
export function publishUpstream(cluster: Cluster, name: string, upstream: string): string {
  const root = join(cluster.issuerFolder, name);
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'upstream'), upstream);
  return new URL(name, cluster.issuer).href;
}

/** An issuer of humans' ID tokens: a story publishes its keys. */
export const userAudience = 'valetkey.example';

export function createUserIssuer(cluster: Cluster): string {
  return new URL('people', cluster.issuer).href;
}

/** A PEM certificate as `x5c` wants it: its DER in base64, on one line. */
export function readCertificateBody(file: string): string {
  return readFileSync(file, 'utf8').replaceAll(/-----[^-]+-----|\s/g, '');
}

/** RGW and IAM know an issuer's key by the SHA-1 of its certificate's DER, which `x5c` holds in base64. */
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

/** Starts the TLS front on port 443 of the issuer's address. */
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
