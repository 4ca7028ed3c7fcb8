import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONSUMER_MOUNT_PATH, LOOPBACK_TOKEN_FILE_NAME } from '../../lib/contract/paths.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { Session } from '../embedded-cloud/sts/sessions.ts';
import { lineOf, type Line } from './line.ts';
import { volumeFolder, type Ground } from './pod-processes.ts';
import { tokenHome } from './pod-stage.ts';
import { searchFiles, type Secret } from './secret-search.ts';

/** Searches everything below the demo's folder for every secret that came to be. */
export const searchLine = (given: {
  readonly ground: Ground;
  readonly pod: Pod;
  readonly sessions: readonly Session[];
  readonly token: string;
}): Line => {
  const startedAt = performance.now();
  const { ground, pod, sessions, token } = given;
  const secrets = [
    ...sessions.flatMap(sessionSecrets),
    { what: 'the projected token', text: token, home: tokenHome(ground) },
    ...loopbackSecrets(ground, pod),
  ];
  const { files, strays, missing } = searchFiles(ground.folder, secrets);
  const problems = [...strays, ...missing.map((what) => `${what} is not where it belongs`)];
  if (sessions.length === 0) problems.push('no session was issued');
  return lineOf({
    name: 'no file holds the secret',
    expected: 'none',
    got: problems.length === 0 ? 'none' : problems.join('; '),
    detail: `${sessions.length} sessions, ${secrets.length} texts, ${files} files`,
    milliseconds: performance.now() - startedAt,
  });
};

const sessionSecrets = (session: Session): readonly Secret[] => [
  { what: 'a secret access key', text: session.secretAccessKey },
  { what: 'a session token', text: session.sessionToken },
  { what: 'an access key', text: session.accessKeyId },
];

/** Each consumer's loopback token may stand in that consumer's volume alone. */
const loopbackSecrets = (ground: Ground, pod: Pod): readonly Secret[] =>
  (pod.spec?.containers ?? []).flatMap(({ name, volumeMounts = [] }) =>
    volumeMounts
      .filter(({ mountPath }) => mountPath === CONSUMER_MOUNT_PATH)
      .map((mount) => {
        const home = volumeFolder(ground, mount.name);
        const text = readFileSync(join(home, LOOPBACK_TOKEN_FILE_NAME), 'utf8');
        return { what: `the loopback token of ${name}`, text, home };
      }),
  );
