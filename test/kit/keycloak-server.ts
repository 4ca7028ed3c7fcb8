import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  createCertificateAuthority,
  signLeaf,
} from '../../lib/certificate/certificate-authority.ts';
import { readLastLines } from './files.ts';
import { findFreePorts } from './free-ports.ts';
import { sendToEndpoint } from './https-server.ts';
import { waitFor } from './retry.ts';

export type KeycloakServer = {
  /** `https://localhost:<port>`. */
  readonly origin: string;
  readonly caBundle: string;
  /** Sends a form, or JSON as the administrator. @returns status and body */
  readonly call: (
    path: string,
    body: { readonly form: Readonly<Record<string, string>> } | { readonly json: object },
  ) => Promise<{ readonly status: number; readonly body: Record<string, unknown> }>;
  readonly close: () => Promise<void>;
};

const ADMIN = { username: 'admin', password: 'admin-password' };
const MINUTE_MS = 60_000;

const writeCertificate = async (folder: string) => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createCertificateAuthority(terms);
  const leaf = await signLeaf(authority, { ...terms, names: ['localhost'] });
  const files = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(files.certificate, leaf.certificate);
  writeFileSync(files.key, leaf.key);
  return { ...files, caBundle: authority.certificate };
};

const stop = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  // The shell script and its JVM.
  process.kill(-child.pid, 'SIGKILL');
  await ended;
};

/**
 * Starts a real Keycloak in development mode, with its database in memory.
 *
 * @param home folder of the unpacked distribution
 */
export const startKeycloak = async (home: string): Promise<KeycloakServer> => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-keycloak-'));
  const { certificate, key, caBundle } = await writeCertificate(folder);
  const [port = 0] = await findFreePorts(1);
  const origin = `https://localhost:${port}`;
  const log = join(folder, 'log');
  const output = openSync(log, 'w');
  const args = [
    'start-dev',
    '--db=dev-mem',
    '--cache=local',
    '--http-enabled=false',
    '--http-host=127.0.0.1',
    `--https-port=${port}`,
    `--https-certificate-file=${certificate}`,
    `--https-certificate-key-file=${key}`,
  ];
  const child = spawn(join(home, 'bin', 'kc.sh'), args, {
    detached: true,
    stdio: ['ignore', output, output],
    env: {
      ...process.env,
      KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN.username,
      KC_BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
    },
  });

  const send: KeycloakServer['call'] = async (path, body) => {
    const isForm = 'form' in body;
    const response = await sendToEndpoint({
      ...{ method: 'POST', url: `${origin}${path}`, caBundle },
      headers: {
        'Content-Type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
        ...(!isForm && { Authorization: `Bearer ${await getAdminToken()}` }),
      },
      body: isForm ? new URLSearchParams(body.form).toString() : JSON.stringify(body.json),
      ...{ timeoutMs: MINUTE_MS, maxBodyBytes: 1024 * 1024 },
    });
    const text = response.body === '' ? '{}' : response.body;
    return { status: response.status, body: JSON.parse(text) as Record<string, unknown> };
  };

  const getAdminToken = async (): Promise<string> => {
    const { body } = await send('/realms/master/protocol/openid-connect/token', {
      form: { ...ADMIN, grant_type: 'password', client_id: 'admin-cli' },
    });
    return String(body['access_token']);
  };

  const close = async (): Promise<void> => {
    await stop(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await waitFor(
      'Keycloak to issue a token',
      async () => child.exitCode !== null || (await getAdminToken()) !== 'undefined',
      { timeoutMs: 10 * MINUTE_MS, intervalMs: 1_000 },
    );
    if (child.exitCode !== null) throw new Error(`Keycloak ended:\n${readLastLines(log)}`);
  } catch (error) {
    await close();
    throw error;
  }
  return { origin, caBundle, call: send, close };
};
