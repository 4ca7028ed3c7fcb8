import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { listFilesBelow } from '../../../test/kit/files.ts';
import { readRunKeys } from '../authority/sidecar-runs.ts';
import { waitForConsumerLine } from '../authority/revocation-objects.ts';
import {
  findProcessId,
  listContainerProcesses,
  readContainerStatus,
  readPodUid,
  readSidecarStatus,
} from '../node-access.ts';
import { cloud, createNamespace, recordSecrets, runPod, testContext } from '../test-context.ts';
import type { CredentialKeys, PodRef } from '../test-context.ts';
import { hasBegun, uploadCommand, uploadTask } from './slow-upload.ts';
import { readProcessEnvironment, searchMemory } from './process-memory.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine, to read its memory');

type StoredKeys = { accessKey: string; secretKey: string; sessionToken: string };

/** Reads the temporary keys that MinIO issued since a time, where it stores them itself. */
const readIssuedKeys = (sinceMs: number): StoredKeys[] =>
  listFilesBelow(join(cloud.folder, 'data/.minio.sys/config/iam/sts')).flatMap((file) => {
    if (statSync(file).mtimeMs < sinceMs) return [];
    const json = /\{"version":1,"credentials":(\{.*?\})/.exec(readFileSync(file, 'latin1'))?.[1];
    return json === undefined ? [] : [JSON.parse(json) as StoredKeys];
  });

const toSecrets = ({ accessKey, secretKey, sessionToken }: StoredKeys): string[] => [
  accessKey,
  secretKey,
  sessionToken,
];

const findTexts = (text: string, wanted: readonly string[]): string[] =>
  wanted.filter((each) => text.includes(each));

describe('the keys that the cloud issued to a sign task', () => {
  const place: PodRef = { namespace: '', pod: 'holding' };
  /** Of the cloud: access keys, secret keys and session tokens. */
  let issued: string[];
  let local: CredentialKeys;
  let agentProcesses: string[];

  beforeAll(async () => {
    place.namespace = await createNamespace('held');
    const startedAt = Date.now();
    const { namespace, pod: name } = place;
    await runPod({ name, namespace, tasks: { work: uploadTask }, command: uploadCommand });
    await waitForConsumerLine(place, 'the begin of its upload', hasBegun);
    issued = readIssuedKeys(startedAt).flatMap(toSecrets);
    local = await readRunKeys(place);
    recordSecrets(...issued.filter((text) => text.length > 20));
    const status = await readContainerStatus(place);
    agentProcesses = listContainerProcesses(await findProcessId(node, status));
  });

  it('are in the memory of the sidecar, which shows that the search finds them', async () => {
    const sidecar = await findProcessId(node, await readSidecarStatus(place));
    expect(searchMemory(sidecar, issued).found.length).toBeGreaterThanOrEqual(3);
  });

  it('are not in the memory of the agent, which holds its local keys while it uploads', () => {
    const wanted = [...issued, local.AccessKeyId, local.SecretAccessKey, local.Token];
    const results = agentProcesses.map((id) => searchMemory(id, wanted));
    const found = new Set(results.flatMap((result) => result.found));
    expect(found).toEqual(new Set([local.AccessKeyId, local.SecretAccessKey, local.Token]));
  });

  it('are not in the environment of the agent', () => {
    const environment = agentProcesses.map(readProcessEnvironment).join('\n');
    expect(findTexts(environment, ['AWS_ENDPOINT_URL', ...issued])).toEqual(['AWS_ENDPOINT_URL']);
  });

  it('are in no volume of the pod', async () => {
    const files = listFilesBelow(join(node.podsFolder, await readPodUid(place)));
    expect(files.filter((file) => file.endsWith('/seed'))).not.toEqual([]);
    const holders = files.filter(
      (file) => findTexts(readFileSync(file, 'latin1'), issued).length > 0,
    );
    expect(holders).toEqual([]);
  });
});
