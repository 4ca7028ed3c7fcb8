import { readPlatform } from '../../lib/config/platform-parser.ts';
import { INSTALLED } from '../../lib/contract/names.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import { parse } from 'yaml';
import type { ClusterClient } from './cluster.ts';
import type { Io } from './io.ts';
import { readText } from './files.ts';
import { createProblemError, createUsageError } from './tool-error.ts';

/**
 * Reads the platform settings of the cluster.
 *
 * @throws ToolError if they are missing or invalid; KubernetesError
 */
export const readClusterPlatform = async (cluster: ClusterClient): Promise<Platform> => {
  const { platformConfigMap, platformKey } = INSTALLED;
  const source = `ConfigMap ${cluster.installedIn}/${platformConfigMap}`;
  const data = await cluster.readConfigMap(platformConfigMap);
  const text = data?.[platformKey];
  if (text === undefined) {
    const expected = 'platform settings in the namespace of Valetkey (--installed-in)';
    throw createProblemError([{ source, path: platformKey, expected, got: 'nothing' }]);
  }
  const platform = readPlatform(text);
  if (platform.ok) return platform.value;
  throw createProblemError(platform.faults.map((fault) => ({ ...fault, source })));
};

/**
 * Reads platform settings from a file: the settings themselves, or the ConfigMap that contains them.
 *
 * @throws ToolError if the file is missing or invalid
 */
export const readPlatformFile = async (
  io: Pick<Io, 'streamFile'>,
  path: string,
): Promise<Platform> => {
  const text = await readText(io, path);
  const platform = readPlatform(extractSettings(text));
  if (platform.ok) return platform.value;
  throw createUsageError(platform.faults.map((fault) => ({ ...fault, source: path })));
};

const extractSettings = (text: string): string => {
  try {
    const parsed = parse(text) as { readonly data?: Readonly<Record<string, string>> } | null;
    return parsed?.data?.[INSTALLED.platformKey] ?? text;
  } catch {
    return text;
  }
};

/**
 * Returns the authority's settings.
 *
 * @throws ToolError under `trust: cluster`
 */
export const requireAuthority = ({ authority, trust }: Platform): AuthoritySettings => {
  if (authority !== undefined) return authority;
  const expected = 'authority, because trust: cluster has no authority that issues grants';
  throw createProblemError([{ path: 'trust', expected, got: trust }]);
};
