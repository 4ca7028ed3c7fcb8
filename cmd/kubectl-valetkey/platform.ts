import { readPlatform } from '../../lib/config/platform.ts';
import { INSTALLED } from '../../lib/contract/names.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import { parse } from 'yaml';
import type { Cluster } from './cluster.ts';
import type { Edges } from './edges.ts';
import { readText } from './files.ts';
import { foundWrong, wrongUsage } from './tool-error.ts';

/**
 * The settings of the platform that the cluster runs by.
 *
 * @throws ToolError where there are none, or none that can be read; KubernetesError
 */
export const platformOf = async (cluster: Cluster): Promise<Platform> => {
  const { platformConfigMap, platformKey } = INSTALLED;
  const source = `ConfigMap ${cluster.installedIn}/${platformConfigMap}`;
  const data = await cluster.readConfigMap(platformConfigMap);
  const text = data?.[platformKey];
  if (text === undefined) {
    const expected = "the platform's settings, where Valetkey is installed (--installed-in)";
    throw foundWrong([{ source, path: platformKey, expected, got: 'nothing' }]);
  }
  const platform = readPlatform(text);
  if (platform.ok) return platform.value;
  throw foundWrong(platform.faults.map((fault) => ({ ...fault, source })));
};

/**
 * The settings that stand in a file: the platform's own, or the ConfigMap that holds them.
 *
 * @throws ToolError
 */
export const platformIn = async (
  edges: Pick<Edges, 'streamFile'>,
  path: string,
): Promise<Platform> => {
  const text = await readText(edges, path);
  const platform = readPlatform(settingsIn(text));
  if (platform.ok) return platform.value;
  throw wrongUsage(platform.faults.map((fault) => ({ ...fault, source: path })));
};

const settingsIn = (text: string): string => {
  try {
    const held = parse(text) as { readonly data?: Readonly<Record<string, string>> } | null;
    return held?.data?.[INSTALLED.platformKey] ?? text;
  } catch {
    return text;
  }
};

/** @throws ToolError under `trust: cluster` */
export const authorityOf = ({ authority, trust }: Platform): AuthoritySettings => {
  if (authority !== undefined) return authority;
  const expected = 'authority: under trust: cluster no authority stands between pods and cloud';
  throw foundWrong([{ path: 'trust', expected, got: trust }]);
};
