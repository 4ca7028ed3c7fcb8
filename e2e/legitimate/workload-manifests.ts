import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { getValue, getList, readObjects } from '../../test/kit/kubernetes-objects.ts';
import type { KubernetesObject } from '../../test/kit/kubernetes-objects.ts';

/** Values that are substituted in manifests. */
export type ManifestOptions = {
  readonly image: string;
  readonly role: string;
  readonly s3Endpoint: string;
};

/** An object of a manifest. */
export const EXAMPLE_OPTIONS: ManifestOptions = {
  image: 'registry.example/agent:1',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  s3Endpoint: 'http://cloud.example',
};

/** Lists the names of all manifests, sorted. */
export const listManifestNames = (): readonly string[] =>
  globSync(join(import.meta.dirname, '*.yaml'))
    .map((file) => basename(file, '.yaml'))
    .sort();

/** Reads the objects of a manifest, and substitutes values. @throws Error if it is not a manifest */
export const readManifest = (name: string, site: ManifestOptions): readonly KubernetesObject[] =>
  readObjects(
    readFileSync(join(import.meta.dirname, `${name}.yaml`), 'utf8')
      .replaceAll(EXAMPLE_OPTIONS.image, site.image)
      .replaceAll(EXAMPLE_OPTIONS.role, site.role)
      .replaceAll(EXAMPLE_OPTIONS.s3Endpoint, site.s3Endpoint)
      .replace('100 KiB of prompts', PROMPTS),
  );

const PROMPTS = 'Summarise the quarter in 52 words; name no customer. '
  .repeat(2_000)
  .slice(-102_400);

type PodTemplate = Readonly<Record<'metadata' | 'spec', unknown>>;

/** Lists the pods or pod templates of an object. */
export const listPodTemplates = (object: KubernetesObject): readonly PodTemplate[] => {
  const path = TEMPLATE_PATHS[object.kind] ?? 'spec.template';
  const template = getValue(object, path) as PodTemplate | undefined;
  return template === undefined ? [] : [template];
};

const TEMPLATE_PATHS: Readonly<Record<string, string>> = {
  Pod: '',
  CronJob: 'spec.jobTemplate.spec.template',
};

/** Lists the names in `spec.initContainers`. */
export const listInitContainerNames = (pod: unknown): readonly string[] =>
  getList(pod, 'spec.initContainers').map((container) => String(getValue(container, 'name')));
