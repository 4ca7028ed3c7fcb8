import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { execInPod, getJson, kubectl } from '../../cluster/kubectl.ts';
import { readTelemetry, replicas } from '../authority/authority.ts';
import { readRecords } from '../authority/records.ts';
import { exchangeToken, podAddress, podUid } from '../node.ts';
import {
  askCloud,
  askPatiently,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  issuedSecrets,
  readReports,
  runPod,
  stage,
} from '../stage.ts';

const { node, trust, release } = stage;

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

const holdsGrant = (file: string): boolean =>
  grantsIn(orGone(() => readFileSync(file, 'latin1')) ?? '').length > 0;

/** Pods of other stories end while we look. */
const orGone = <T>(look: () => T): T | undefined => {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Of JWTs in a text, those that the authority signed: grants. */
const grantsIn = (text: string): string[] =>
  [...text.matchAll(/eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]{20,}/g)].flatMap(([token, payload = '']) =>
    trust.kind === 'authority' && decode(payload).includes(trust.issuer) ? [token] : [],
  );

const decode = (part: string): string => Buffer.from(part, 'base64url').toString();

/** What the authority signs with: each private key's own line of its PEM, or the key as it stands. */
const ownKeys = async (): Promise<string[]> => {
  if (trust.kind === 'cluster') return [];
  const names = ['keys', 'ca', 'audit'].map((name) => `valetkey-authority-${name}`);
  const where = ['secret', ...names, '-n', release.namespace];
  const { items } = await getJson<{ items: { data: Record<string, string> }[] }>(cluster, where);
  return items
    .flatMap(({ data }) => Object.entries(data))
    .filter(([name]) => name.endsWith('.key'))
    .map(([, value]) =>
      Buffer.from(value, 'base64')
        .toString()
        .replace(/^-----.*\n/, ''),
    )
    .map((text) => text.split('\n')[0] ?? '');
};

describe(`after credentials were issued and used (${cloud.name})`, () => {
  const place = { namespace: '', pod: 'secretive' };
  let issued: string[];
  let exchanged: string;
  /** What was issued, and the exchange token; of somebody else's node we cannot know that one. */
  let secrets: string[];

  beforeAll(async () => {
    place.namespace = await createNamespace('secrecy');
    await runPod({ name: place.pod, namespace: place.namespace, tasks: { read: readReports } });
    await expectRead(place);
    await askCloud(place, 'get', 'secrets/keys.txt');
    await askPatiently(place, 'GET', '/v1/credentials');
    issued = [...issuedSecrets(), ...(await ownKeys())];
    secrets = issued;
    expect(issued.length).toBeGreaterThan(1);
    expect(issued.every((secret) => secret.length > 10)).toBe(true);
    if (node === undefined) return;
    exchanged = await exchangeToken(node, place);
    secrets = [...issued, exchanged];
  });

  if (node !== undefined) {
    test('no file in the folders of the node’s pods holds them', () => {
      expect(filesWith(filesBelow(node.podsFolder), issued)).toEqual([]);
    });

    test('only the sidecar’s own token volume holds the exchange token', () => {
      const holders = filesWith(filesBelow(node.podsFolder), [exchanged]);
      expect(holders.length).toBeGreaterThan(0);
      expect(holders.filter((file) => !file.includes('/valetkey-token/'))).toEqual([]);
    });

    test('no container log and no log of the node holds them', () => {
      const logs = [...filesBelow(node.podLogsFolder), ...filesBelow(node.logsFolder)];
      expect(logs.length).toBeGreaterThan(5);
      expect(filesWith(logs, secrets)).toEqual([]);
    });

    test('no log and no file of the node’s pods holds a grant', () => {
      const files = [...filesBelow(node.podLogsFolder), ...filesBelow(node.podsFolder)];
      expect([...files, node.auditLog].filter(holdsGrant)).toEqual([]);
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
    expect(grantsIn(stdout)).toEqual([]);
  });

  if (trust.kind === 'authority') {
    test('the authority’s records tell of the run, its metrics of none, and neither holds them', async () => {
      const records = await readRecords();
      const uid = await podUid(place);
      const own = records.filter(({ unmapped }) => unmapped.pod_uid === uid);
      expect(own.map(({ unmapped }) => unmapped.kind)).toContain('run.issued');
      const pods = (await replicas()).map(({ name }) => readTelemetry(name));
      const metrics = (await Promise.all(pods)).join('\n');
      expect(metrics).toContain('valetkey_authority_requests_total');
      const texts = `${JSON.stringify(records)}\n${metrics}`;
      expect(secrets.filter((secret) => texts.includes(secret))).toEqual([]);
      expect(grantsIn(texts)).toEqual([]);
      expect([uid, place.pod].filter((value) => metrics.includes(value))).toEqual([]);
    });
  }

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
