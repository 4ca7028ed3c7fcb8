import { DEFAULT_PLATFORM } from '../../lib/config/default-platform.ts';
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
  const platform = await findClusterPlatform(cluster);
  if (platform !== undefined) return platform;
  const expected = 'platform settings in the namespace of Valetkey (--installed-in)';
  const source = formatSource(cluster);
  throw createProblemError([{ source, path: INSTALLED.platformKey, expected, got: 'nothing' }]);
};

/**
 * Finds the platform settings of the cluster.
 *
 * @returns undefined if Valetkey is not installed in the namespace of `--installed-in`
 * @throws ToolError if they are invalid; KubernetesError
 */
export const findClusterPlatform = async (
  cluster: ClusterClient,
): Promise<Platform | undefined> => {
  const data = await cluster.readConfigMap(INSTALLED.platformConfigMap);
  const text = data?.[INSTALLED.platformKey];
  if (text === undefined) return undefined;
  const platform = readPlatform(text);
  if (platform.ok) return platform.value;
  const source = formatSource(cluster);
  throw createProblemError(platform.faults.map((fault) => ({ ...fault, source })));
};

const formatSource = ({ installedIn }: ClusterClient): string =>
  `ConfigMap ${installedIn}/${INSTALLED.platformConfigMap}`;

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

/** Reads the settings of an installation with the chart's default values. */
export const readDefaultPlatform = (): Platform => {
  const platform = readPlatform(DEFAULT_PLATFORM);
  if (platform.ok) return platform.value;
  throw createProblemError(platform.faults);
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
