import { readPlatform } from '../../lib/config/platform-parser.ts';
import { INSTALLED } from '../../lib/contract/names.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import { parse } from 'yaml';
import type { ClusterClient } from './cluster.ts';
import type { Io } from './io.ts';
import { readText } from './files.ts';
import { createProblemError, createUsageError } from './tool-error.ts';

/**
 * The settings of the platform that the cluster runs by.
 *
 * @throws ToolError where there are none, or none that can be read; KubernetesError
 */
export const readClusterPlatform = async (cluster: ClusterClient): Promise<Platform> => {
  const { platformConfigMap, platformKey } = INSTALLED;
  const source = `ConfigMap ${cluster.installedIn}/${platformConfigMap}`;
  const data = await cluster.readConfigMap(platformConfigMap);
  const text = data?.[platformKey];
  if (text === undefined) {
    const expected = "the platform's settings, where Valetkey is installed (--installed-in)";
    throw createProblemError([{ source, path: platformKey, expected, got: 'nothing' }]);
  }
  const platform = readPlatform(text);
  if (platform.ok) return platform.value;
  throw createProblemError(platform.faults.map((fault) => ({ ...fault, source })));
};

/**
 * The settings that stand in a file: the platform's own, or the ConfigMap that holds them.
 *
 * @throws ToolError
 */
export const readPlatformFile = async (
  edges: Pick<Io, 'streamFile'>,
  path: string,
): Promise<Platform> => {
  const text = await readText(edges, path);
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

/** @throws ToolError under `trust: cluster` */
export const requireAuthority = ({ authority, trust }: Platform): AuthoritySettings => {
  if (authority !== undefined) return authority;
  const expected = 'authority: under trust: cluster no authority stands between pods and cloud';
  throw createProblemError([{ path: 'trust', expected, got: trust }]);
};
