import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CONSUMER_MOUNT_PATH,
  LOOPBACK_TOKEN_FILE_NAME,
  SEED_FILE_NAME,
} from '../lib/contract/paths.ts';
import type { Pod } from '../lib/contract/pod.ts';
import type { Session } from '../test/fakes/cloud/sts/sessions.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import { getVolumeFolder, type ProcessLayout } from './pod-processes.ts';
import { getTokenFolder } from './demo-pod.ts';
import type { RunningPod } from './running-pod.ts';
import { searchSecrets, type Secret } from './secret-search.ts';

/** Searches all files below the demo's folder for all secrets of this run. */
export const checkSecrets = (given: {
  readonly folder: string;
  readonly pods: readonly Pick<RunningPod, 'layout' | 'pod' | 'token'>[];
  readonly sessions: readonly Session[];
  /** Of the Upstreams. */
  readonly keys: readonly Secret[];
}): ResultLine => {
  const startedAt = performance.now();
  const { folder, pods, sessions, keys } = given;
  const secrets = [
    ...sessions.flatMap(listSessionSecrets),
    ...keys,
    ...pods.flatMap(({ layout, pod, token }) => [
      { description: 'the projected token', text: token, allowedFolder: getTokenFolder(layout) },
      ...listConsumerSecrets(layout, pod),
    ]),
  ];
  const { files, leaks, missing } = searchSecrets(folder, secrets);
  const problems = [...leaks, ...missing.map((what) => `${what} is not where it belongs`)];
  if (sessions.length === 0) problems.push('no session was issued');
  return buildLine({
    name: 'no file holds the secret',
    expected: 'none',
    got: problems.length === 0 ? 'none' : problems.join('; '),
    detail: `${sessions.length} sessions, ${keys.length} Upstreams, ${secrets.length} texts, ${files} files`,
    milliseconds: performance.now() - startedAt,
  });
};

/** Every part of the cloud's keys of one session. */
export const listSessionSecrets = (session: Session): readonly Secret[] => [
  { description: 'a secret access key', text: session.secretAccessKey },
  { description: 'a session token', text: session.sessionToken },
  { description: 'an access key', text: session.accessKeyId },
];

/** The loopback token and the seed of local keys of a consumer may be only in its own volume. */
const listConsumerSecrets = (layout: ProcessLayout, pod: Pod): readonly Secret[] =>
  (pod.spec?.containers ?? []).flatMap(({ name, volumeMounts = [] }) =>
    volumeMounts
      .filter(({ mountPath }) => mountPath === CONSUMER_MOUNT_PATH)
      .flatMap((mount) => {
        const home = getVolumeFolder(layout, mount.name);
        return [LOOPBACK_TOKEN_FILE_NAME, SEED_FILE_NAME]
          .filter((file) => existsSync(join(home, file)))
          .map((file) => ({
            description: `the file ${file} of ${name}`,
            text: readFileSync(join(home, file), 'latin1'),
            allowedFolder: home,
          }));
      }),
  );
