import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { ignoreMissing, listFilesBelow } from '../../../test/kit/files.ts';
import { PROMETHEUS_ACCEPT } from '../../../test/kit/openmetrics.ts';
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

/** Lists the files that have any of the secrets: grep looks for hundreds of them in one pass. */
const findFilesWith = (files: readonly string[], secrets: readonly string[]): string[] => {
  const options = ['--files-with-matches', '--fixed-strings', '--text', '--file=-'];
  const { error, stdout, stderr } = spawnSync('grep', [...options, '--', ...files], {
    input: secrets.join('\n'),
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (error !== undefined) throw error;
  // Files of pods that end are removed in the meantime.
  const faults = splitLines(stderr).filter((line) => !line.endsWith('No such file or directory'));
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return splitLines(stdout);
};

const splitLines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

const hasGrant = (file: string): boolean =>
  findGrants(ignoreMissing(() => readFileSync(file, 'latin1')) ?? '').length > 0;

/** Finds grants in a text: JWTs of the authority's issuer. */
const findGrants = (text: string): string[] =>
  [...text.matchAll(/eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]{20,}/g)].flatMap(([token, payload = '']) =>
    trust.kind === 'authority' && decodePart(payload).includes(trust.issuer) ? [token] : [],
  );

const decodePart = (part: string): string => Buffer.from(part, 'base64url').toString();

/** Reads the authority's private keys: a characteristic line of each PEM, or the whole key. */
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

describe(`secrets that were issued and used (${cloud.name})`, () => {
  const place = { namespace: '', pod: 'secretive' };
  let issued: string[];
  let exchanged: string;
  /** Issued credentials, keys of the authority, and the exchange token if the node can be read. */
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
    it('are in no file of the pods on the node', () => {
      expect(findFilesWith(listFilesBelow(node.podsFolder), issued)).toEqual([]);
    });

    it('include the exchange token, which is only in the token volume of the sidecar', () => {
      const holders = findFilesWith(listFilesBelow(node.podsFolder), [exchanged]);
      expect(holders.length).toBeGreaterThan(0);
      expect(holders.filter((file) => !file.includes('/valetkey-token/'))).toEqual([]);
    });

    it('are in no log of a container or of the node', () => {
      const logs = [...listFilesBelow(node.podLogsFolder), ...listFilesBelow(node.logsFolder)];
      expect(logs.length).toBeGreaterThan(5);
      expect(findFilesWith(logs, secrets)).toEqual([]);
    });

    it('include grants, which are in no log and no file of the pods on the node', () => {
      const files = [...listFilesBelow(node.podLogsFolder), ...listFilesBelow(node.podsFolder)];
      expect([...files, node.auditLog].filter(hasGrant)).toEqual([]);
    });

    it('are not in the audit log of the API server', () => {
      expect(findFilesWith([node.auditLog], [place.namespace])).toEqual([node.auditLog]);
      expect(findFilesWith([node.auditLog], secrets)).toEqual([]);
    });
  }

  it('are in no Event and no Pod object', async () => {
    const { stdout } = await runKubectl(cluster, ['get', 'events,pods', '-A', '-o', 'json']);
    expect(stdout).toContain(place.namespace);
    expect(secrets.filter((secret) => stdout.includes(secret))).toEqual([]);
    expect(findGrants(stdout)).toEqual([]);
  });

  if (trust.kind === 'authority') {
    it('are not in the records of the authority, which name the run, nor in its metrics, which name none', async () => {
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

  it('are not in metrics of the sidecar, which also contain no pod uid and no session name', async () => {
    const address = await readPodAddress(place);
    const response = await fetch(`http://${address}:9472/metrics`, {
      headers: { Accept: PROMETHEUS_ACCEPT },
    });
    const metrics = await response.text();
    expect(metrics).toContain('valetkey_sidecar_exchanges_total');
    expect(metrics).toContain(' # {run_id="');
    const hidden = [...secrets, await readPodUid(place), place.pod];
    expect(hidden.filter((value) => metrics.includes(value))).toEqual([]);
  });

  it('are not in the environment or the processes of the consumer', async () => {
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
