import { buildExemptionNotes } from '../../lib/injection/exemptions.ts';
import type { Io } from './io.ts';
import type { ExplainContext, PodToExplain } from './explain-report.ts';
import { formatFileName, readText } from './files.ts';
import { readManifests, type Manifest } from './manifests.ts';
import { evaluateManifest } from './manifest-admission.ts';
import { explainFixedKey } from './fixed-key.ts';
import { createPodContextReader, type PodContextSources } from './pod-context.ts';
import { createProblemError } from './tool-error.ts';

/**
 * Reads all objects of the files.
 *
 * @throws ToolError for a file or an object that cannot be read
 */
export const readManifestFiles = async (
  paths: readonly string[],
  io: Pick<Io, 'streamFile'>,
): Promise<readonly Manifest[]> => {
  const manifests: Manifest[] = [];
  for (const path of paths) {
    const read = readManifests(await readText(io, path));
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
 * Evaluates the pods in manifests as admission would.
 *
 * @throws ToolError if no pod declares a task; KubernetesError
 */
export const readManifestPods = async (
  paths: readonly string[],
  sources: PodContextSources,
  context: ExplainContext,
): Promise<readonly PodToExplain[]> => {
  const readPodContext = createPodContextReader(sources);
  const pods: PodToExplain[] = [];
  for (const { content, kind, name, namespace = sources.namespace } of sources.manifests) {
    if (content.type !== 'workload') continue;
    if (content.stray.length > 0) {
      const source = `${kind} ${name}`;
      throw createProblemError(content.stray.map((each) => ({ ...each, source })));
    }
    for (const { pod, at } of content.pods) {
      const result = await evaluateManifest(pod, { ...context, namespace, readPodContext });
      if (result === undefined) continue;
      const exempted = buildExemptionNotes(result.exempted).warnings;
      const place = content.pods.length > 1 ? at : '';
      pods.push({
        ...result,
        pod: kind === 'Pod' ? name : `${kind}/${name}${place}`,
        exempted,
        ...explainFixedKey(pod, { ...context, namespace, tasks: result.tasks }),
      });
    }
  }
  if (pods.length > 0) return pods;
  const expected = 'a pod or pod template that declares a task';
  throw createProblemError([{ path: paths.map(formatFileName).join(', '), expected, got: 'none' }]);
};
