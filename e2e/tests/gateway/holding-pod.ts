import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listFilesBelow } from '../../../test/kit/files.ts';
import type { Cluster } from '../../cluster/cluster-file.ts';
import { waitForConsumerLine } from '../authority/revocation-objects.ts';
import { readRunKeys } from '../authority/sidecar-runs.ts';
import {
  findProcessId,
  listContainerProcesses,
  readContainerStatus,
  readSidecarStatus,
} from '../node-access.ts';
import { cloud, createNamespace, recordSecrets, runPod } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import { hasBegun, uploadCommand, uploadTask } from './slow-upload.ts';

/** A pod of a sign task that uploads, and the keys of both sides. */
export type HoldingPod = {
  place: PodRef;
  /** Of the cloud: access keys, secret keys and session tokens. */
  issued: string[];
  /** Access key, secret key and token of the agent. */
  local: string[];
  /** Processes on the node. */
  agent: string[];
  sidecar: string;
};

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

/** Starts the pod in a namespace of its own, and waits until a part of its upload is sent. */
export const startHoldingPod = async (node: Cluster, name: string): Promise<HoldingPod> => {
  const namespace = await createNamespace(name);
  const place: PodRef = { namespace, pod: 'holding' };
  const startedAt = Date.now();
  const pod = { name: place.pod, namespace, tasks: { work: uploadTask }, command: uploadCommand };
  await runPod(pod);
  await waitForConsumerLine(place, 'the begin of its upload', hasBegun);
  const issued = readIssuedKeys(startedAt).flatMap(toSecrets);
  recordSecrets(...issued.filter((text) => text.length > 20));
  const { AccessKeyId, SecretAccessKey, Token } = await readRunKeys(place);
  return {
    place,
    issued,
    local: [AccessKeyId, SecretAccessKey, Token],
    agent: listContainerProcesses(await findProcessId(node, await readContainerStatus(place))),
    sidecar: await findProcessId(node, await readSidecarStatus(place)),
  };
};
