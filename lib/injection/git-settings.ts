import type { EnvVar } from '../contract/pod.ts';
import { CONSUMER_MOUNT_PATH, LOOPBACK_TOKEN_FILE_NAME } from '../contract/paths.ts';

/** A task whose client is Git. */
export type GitRemote = {
  /** Base URL of the task at the gateway. */
  readonly base: string;
  /** URL of its Upstream, which the author writes; absent: not known. */
  readonly upstreamUrl?: string | undefined;
};

/**
 * Answers Git's question for a key with the consumer's loopback token (gitcredentials). It only reads: the
 * helper `store` would report at every request that it cannot lock its file in a read-only volume. Without
 * `$(…)`, which the kubelet would take for a variable.
 */
const buildCredentialHelper = (tokenFile: string): string =>
  `!f() { test "$1" = get && { read -r key < ${tokenFile}; echo username=valetkey; echo "password=$key"; }; }; f`;

/**
 * Builds Git's settings as variables (git-config, since Git 2.31): URLs of the Upstream lead to the gateway,
 * where the consumer's loopback token is the key. Other helpers of the image must not keep that token.
 *
 * @param tokenFile of the consumer's loopback token
 */
export const buildGitEnv = (
  remotes: readonly GitRemote[],
  tokenFile = `${CONSUMER_MOUNT_PATH}/${LOOPBACK_TOKEN_FILE_NAME}`,
): readonly EnvVar[] => {
  const settings = remotes.flatMap(({ base, upstreamUrl }) => [
    ...(upstreamUrl === undefined ? [] : [[`url.${base}/.insteadOf`, `${upstreamUrl}/`] as const]),
    [`credential.${base}.helper`, ''] as const,
    [`credential.${base}.helper`, buildCredentialHelper(tokenFile)] as const,
  ]);
  return settings.length === 0
    ? []
    : [
        { name: 'GIT_CONFIG_COUNT', value: String(settings.length) },
        ...settings.flatMap(([key, value], index) => [
          { name: `GIT_CONFIG_KEY_${index}`, value: key },
          { name: `GIT_CONFIG_VALUE_${index}`, value },
        ]),
      ];
};
