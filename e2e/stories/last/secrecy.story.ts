import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { execInPod, kubectl } from '../../cluster/kubectl.ts';
import { podAddress, podUid } from '../node.ts';
import {
  askCloud,
  askSidecar,
  cloud,
  cluster,
  createNamespace,
  issuedSecrets,
  readReports,
  runPod,
  stage,
} from '../stage.ts';

const { node } = stage;

const filesBelow = (folder: string): string[] =>
  (orGone(() => readdirSync(folder, { withFileTypes: true })) ?? []).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });

const filesWith = (files: string[], secrets: string[]): string[] =>
  files.filter((file) => {
    const text = orGone(() => readFileSync(file, 'latin1')) ?? '';
    return secrets.some((secret) => text.includes(secret));
  });

/** Pods of other stories end while we look. */
const orGone = <T>(look: () => T): T | undefined => {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

describe(`after credentials were issued and used (${cloud.name})`, () => {
  const place = { namespace: '', pod: 'secretive' };
  let issued: string[];
  let exchangeToken: string;
  /** What was issued, and the exchange token; of somebody else's node we cannot know that one. */
  let secrets: string[];

  beforeAll(async () => {
    place.namespace = await createNamespace('secrecy');
    await runPod({ name: place.pod, namespace: place.namespace, tasks: { read: readReports } });
    expect(await askCloud(place, 'get', 'reports/q3.csv')).toEqual({ status: 200 });
    await askCloud(place, 'get', 'secrets/keys.txt');
    await askSidecar(place, 'GET', '/v1/credentials');
    issued = issuedSecrets();
    secrets = issued;
    expect(issued.length).toBeGreaterThan(1);
    expect(issued.every((secret) => secret.length > 10)).toBe(true);
    if (node === undefined) return;
    const volumes = join(node.podsFolder, await podUid(place), 'volumes');
    const token = filesBelow(volumes).find(
      (file) => file.includes('valetkey-token') && file.endsWith('/token'),
    );
    exchangeToken = readFileSync(token ?? '', 'utf8');
    secrets = [...issued, exchangeToken];
  });

  if (node !== undefined) {
    test('no file in the folders of the node’s pods holds them', () => {
      expect(filesWith(filesBelow(node.podsFolder), issued)).toEqual([]);
    });

    test('only the sidecar’s own token volume holds the exchange token', () => {
      const holders = filesWith(filesBelow(node.podsFolder), [exchangeToken]);
      expect(holders.length).toBeGreaterThan(0);
      expect(holders.filter((file) => !file.includes('/valetkey-token/'))).toEqual([]);
    });

    test('no container log and no log of the node holds them', () => {
      const logs = [...filesBelow(node.podLogsFolder), ...filesBelow(node.logsFolder)];
      expect(logs.length).toBeGreaterThan(5);
      expect(filesWith(logs, secrets)).toEqual([]);
    });

    test('the API server’s audit log does not hold them', () => {
      expect(filesWith([node.auditLog], [place.namespace])).toEqual([node.auditLog]);
      expect(filesWith([node.auditLog], secrets)).toEqual([]);
    });
  }

  test('no event and no object of a pod holds them', async () => {
    const { stdout } = await kubectl(cluster, ['get', 'events,pods', '-A', '-o', 'json']);
    expect(stdout).toContain(place.namespace);
    expect(secrets.filter((secret) => stdout.includes(secret))).toEqual([]);
  });

  test('no metric holds them, a pod’s uid or a session’s name', async () => {
    const address = await podAddress(place);
    const response = await fetch(`http://${address}:9472/metrics`);
    const metrics = await response.text();
    expect(metrics).toContain('valetkey_sidecar_exchanges_total');
    const hidden = [...secrets, await podUid(place), place.pod];
    expect(hidden.filter((value) => metrics.includes(value))).toEqual([]);
  });

  test('the consumer’s environment and its processes hold no secret', async () => {
    const script = 'env; cat /proc/[0-9]*/environ; cat /proc/[0-9]*/cmdline';
    const { stdout } = await execInPod(cluster, { ...place, container: 'agent' }, [
      '/bin/sh',
      '-c',
      script,
    ]);
    expect(stdout).toContain('VALETKEY_SOCKET');
    expect(secrets.filter((secret) => stdout.includes(secret))).toEqual([]);
    expect(stdout).not.toContain('VALETKEY_TASKS');
  });
});
