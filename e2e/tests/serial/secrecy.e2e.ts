import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { ignoreMissing, listFilesBelow } from '../../../test/kit/files.ts';
import { execInPod, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { readTelemetry, listReplicas } from '../authority/authority-requests.ts';
import { readRecords } from '../authority/audit-records.ts';
import { readExchangeToken, readPodAddress, readPodUid } from '../node-access.ts';
import {
  callCloudFromPod,
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  readIssuedSecrets,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';

const { node, trust, release } = testContext;

const findFilesWith = (files: readonly string[], secrets: string[]): string[] =>
  files.filter((file) => {
    const text = ignoreMissing(() => readFileSync(file, 'latin1')) ?? '';
    return secrets.some((secret) => text.includes(secret));
  });

const hasGrant = (file: string): boolean =>
  findGrants(ignoreMissing(() => readFileSync(file, 'latin1')) ?? '').length > 0;

/** Of JWTs in a text, those that the authority signed: grants. */
const findGrants = (text: string): string[] =>
  [...text.matchAll(/eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]{20,}/g)].flatMap(([token, payload = '']) =>
    trust.kind === 'authority' && decodePart(payload).includes(trust.issuer) ? [token] : [],
  );

const decodePart = (part: string): string => Buffer.from(part, 'base64url').toString();

/** What the authority signs with: each private key's own line of its PEM, or the key as it stands. */
const readOwnKeys = async (): Promise<string[]> => {
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
    await callCloudFromPod(place, 'get', 'secrets/keys.txt');
    await callSidecarWithRetry(place, 'GET', '/v1/credentials');
    issued = [...readIssuedSecrets(), ...(await readOwnKeys())];
    secrets = issued;
    expect(issued.length).toBeGreaterThan(1);
    expect(issued.every((secret) => secret.length > 10)).toBe(true);
    if (node === undefined) return;
    exchanged = await readExchangeToken(node, place);
    secrets = [...issued, exchanged];
  });

  if (node !== undefined) {
    test('no file in the folders of the node’s pods holds them', () => {
      expect(findFilesWith(listFilesBelow(node.podsFolder), issued)).toEqual([]);
    });

    test('only the sidecar’s own token volume holds the exchange token', () => {
      const holders = findFilesWith(listFilesBelow(node.podsFolder), [exchanged]);
      expect(holders.length).toBeGreaterThan(0);
      expect(holders.filter((file) => !file.includes('/valetkey-token/'))).toEqual([]);
    });

    test('no container log and no log of the node holds them', () => {
      const logs = [...listFilesBelow(node.podLogsFolder), ...listFilesBelow(node.logsFolder)];
      expect(logs.length).toBeGreaterThan(5);
      expect(findFilesWith(logs, secrets)).toEqual([]);
    });

    test('no log and no file of the node’s pods holds a grant', () => {
      const files = [...listFilesBelow(node.podLogsFolder), ...listFilesBelow(node.podsFolder)];
      expect([...files, node.auditLog].filter(hasGrant)).toEqual([]);
    });

    test('the API server’s audit log does not hold them', () => {
      expect(findFilesWith([node.auditLog], [place.namespace])).toEqual([node.auditLog]);
      expect(findFilesWith([node.auditLog], secrets)).toEqual([]);
    });
  }

  test('no event and no object of a pod holds them', async () => {
    const { stdout } = await runKubectl(cluster, ['get', 'events,pods', '-A', '-o', 'json']);
    expect(stdout).toContain(place.namespace);
    expect(secrets.filter((secret) => stdout.includes(secret))).toEqual([]);
    expect(findGrants(stdout)).toEqual([]);
  });

  if (trust.kind === 'authority') {
    test('the authority’s records tell of the run, its metrics of none, and neither holds them', async () => {
      const records = await readRecords();
      const uid = await readPodUid(place);
      const own = records.filter(({ unmapped }) => unmapped.pod_uid === uid);
      expect(own.map(({ unmapped }) => unmapped.kind)).toContain('run.issued');
      const pods = (await listReplicas()).map(({ name }) => readTelemetry(name));
      const metrics = (await Promise.all(pods)).join('\n');
      expect(metrics).toContain('valetkey_authority_requests_total');
      const texts = `${JSON.stringify(records)}\n${metrics}`;
      expect(secrets.filter((secret) => texts.includes(secret))).toEqual([]);
      expect(findGrants(texts)).toEqual([]);
      expect([uid, place.pod].filter((value) => metrics.includes(value))).toEqual([]);
    });
  }

  test('no metric holds them, a pod’s uid or a session’s name', async () => {
    const address = await readPodAddress(place);
    const response = await fetch(`http://${address}:9472/metrics`);
    const metrics = await response.text();
    expect(metrics).toContain('valetkey_sidecar_exchanges_total');
    const hidden = [...secrets, await readPodUid(place), place.pod];
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
