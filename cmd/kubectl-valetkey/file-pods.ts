import { describeExcused } from '../../lib/injection/verdict.ts';
import type { Edges } from './edges.ts';
import type { Ground, PodToExplain } from './explaining.ts';
import { nameOf, readText } from './files.ts';
import { readManifests, type Manifest } from './manifests.ts';
import { judgeNewPod } from './new-pod.ts';
import { openSurroundings, type SurroundingsSources } from './surroundings.ts';
import { foundWrong } from './tool-error.ts';

/** All objects of these files. @throws ToolError for what cannot be read */
export const manifestsIn = async (
  paths: readonly string[],
  edges: Pick<Edges, 'streamFile'>,
): Promise<readonly Manifest[]> => {
  const manifests: Manifest[] = [];
  for (const path of paths) {
    const read = readManifests(await readText(edges, path));
    const faults = read.flatMap(({ content }) =>
      content.type === 'unreadable' ? content.faults : [],
    );
    if (faults.length > 0)
      throw foundWrong(faults.map((each) => ({ ...each, source: nameOf(path) })));
    manifests.push(...read);
  }
  return manifests;
};

/**
 * The pods of manifests that are ours, as admission would judge them.
 *
 * @throws ToolError where there is none; KubernetesError
 */
export const podsIn = async (
  paths: readonly string[],
  sources: SurroundingsSources,
  ground: Ground,
): Promise<readonly PodToExplain[]> => {
  const readSurroundings = openSurroundings(sources);
  const pods: PodToExplain[] = [];
  for (const { content, kind, name, namespace = sources.namespace } of sources.manifests) {
    if (content.type !== 'pod') continue;
    const judged = await judgeNewPod(content.pod, { ...ground, namespace, readSurroundings });
    if (judged === undefined) continue;
    const excused = describeExcused(judged.excused).warnings;
    pods.push({ pod: kind === 'Pod' ? name : `${kind}/${name}`, ...judged, excused });
  }
  if (pods.length > 0) return pods;
  const expected = 'a pod, or a template of one, that declares a task';
  throw foundWrong([{ path: paths.map(nameOf).join(', '), expected, got: 'none' }]);
};
