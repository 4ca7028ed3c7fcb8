import { buildExemptionNotes } from '../../lib/injection/exemptions.ts';
import type { Io } from './io.ts';
import type { ExplainContext, PodToExplain } from './explain-report.ts';
import { formatFileName, readText } from './files.ts';
import { readManifests, type Manifest } from './manifests.ts';
import { evaluateManifest } from './manifest-admission.ts';
import { createPodContextReader, type PodContextSources } from './pod-context.ts';
import { createProblemError } from './tool-error.ts';

/** All objects of these files. @throws ToolError for what cannot be read */
export const readManifestFiles = async (
  paths: readonly string[],
  edges: Pick<Io, 'streamFile'>,
): Promise<readonly Manifest[]> => {
  const manifests: Manifest[] = [];
  for (const path of paths) {
    const read = readManifests(await readText(edges, path));
    const faults = read.flatMap(({ content }) =>
      content.type === 'unreadable' ? content.faults : [],
    );
    if (faults.length > 0)
      throw createProblemError(faults.map((each) => ({ ...each, source: formatFileName(path) })));
    manifests.push(...read);
  }
  return manifests;
};

/**
 * The pods of manifests that are ours, as admission would judge them.
 *
 * @throws ToolError where there is none; KubernetesError
 */
export const readManifestPods = async (
  paths: readonly string[],
  sources: PodContextSources,
  ground: ExplainContext,
): Promise<readonly PodToExplain[]> => {
  const readPodContext = createPodContextReader(sources);
  const pods: PodToExplain[] = [];
  for (const { content, kind, name, namespace = sources.namespace } of sources.manifests) {
    if (content.type !== 'pod') continue;
    const result = await evaluateManifest(content.pod, { ...ground, namespace, readPodContext });
    if (result === undefined) continue;
    const excused = buildExemptionNotes(result.exempted).warnings;
    pods.push({ pod: kind === 'Pod' ? name : `${kind}/${name}`, ...result, excused });
  }
  if (pods.length > 0) return pods;
  const expected = 'a pod, or a template of one, that declares a task';
  throw createProblemError([{ path: paths.map(formatFileName).join(', '), expected, got: 'none' }]);
};
