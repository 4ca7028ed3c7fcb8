import { spawn } from 'node:child_process';
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import {
  createCertificateAuthority,
  signLeaf,
} from '../../lib/certificate/certificate-authority.ts';
import { sendToEndpoint } from './https-server.ts';

export type VaultServer = {
  /** `https://localhost:<port>`. */
  readonly address: string;
  readonly caBundle: string;
  /** Calls the API as root, or with another token. @returns status and body */
  readonly call: (
    method: 'GET' | 'POST' | 'LIST',
    path: string,
    options?: { readonly body?: object; readonly token?: string },
  ) => Promise<{ readonly status: number; readonly body: Record<string, unknown> }>;
  /** Writes as root. @throws Error unless it is accepted */
  readonly write: (path: string, body: object) => Promise<void>;
  readonly close: () => void;
};

/**
 * Starts a real Vault in memory.
 *
 * @param program built from e2e/cluster/go/vault
 */
export const startVault = async (program: string): Promise<VaultServer> => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createCertificateAuthority(terms);
  const leaf = await signLeaf(authority, { ...terms, names: ['localhost'] });
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-vault-'));
  const files = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(files.certificate, leaf.certificate);
  writeFileSync(files.key, leaf.key);
  const child = spawn(program, [files.certificate, files.key], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout);
  const first = await lines[Symbol.asyncIterator]().next();
  const started = JSON.parse(String(first.value)) as { address: string; token: string };
  const address = started.address.replace('127.0.0.1', 'https://localhost');
  const caBundle = authority.certificate;
  const call: VaultServer['call'] = async (method, path, { body, token = started.token } = {}) => {
    const response = await sendToEndpoint({
      method: method === 'LIST' ? 'GET' : method,
      url: `${address}/v1/${path}${method === 'LIST' ? '?list=true' : ''}`,
      headers: { 'X-Vault-Token': token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      caBundle,
      timeoutMs: 10_000,
      maxBodyBytes: 1024 * 1024,
    });
    const text = response.body === '' ? '{}' : response.body;
    return { status: response.status, body: JSON.parse(text) as Record<string, unknown> };
  };
  return {
    ...{ address, caBundle, call },
    write: async (path, body) => {
      const { status } = await call('POST', path, { body });
      if (status >= 300) throw new Error(`Vault answered ${status} to POST ${path}`);
    },
    close: () => {
      child.stdin.end();
      rmSync(folder, { recursive: true });
    },
  };
};

/** Lets a Vault trust JWTs of an issuer, with the auth method of the mount `jwt`. */
export const trustIssuer = async (
  { write }: VaultServer,
  { issuer, keys }: { readonly issuer: string; readonly keys: readonly KeyObject[] },
): Promise<void> => {
  await write('sys/auth/jwt', { type: 'jwt' });
  await write('auth/jwt/config', {
    jwt_validation_pubkeys: keys.map((key) => key.export({ type: 'spki', format: 'pem' })),
    bound_issuer: issuer,
  });
};
