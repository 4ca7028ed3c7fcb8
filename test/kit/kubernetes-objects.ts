import { parseAllDocuments } from 'yaml';

/** A Kubernetes object as a manifest writes it; fields are reached by {@link getValue}. */
export type KubernetesObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
};

/**
 * Every document of a manifest.
 *
 * @throws Error naming the document's number where it is not strict YAML or no Kubernetes object
 */
export const readObjects = (manifest: string): readonly KubernetesObject[] =>
  [...parseAllDocuments(manifest, { strict: true, uniqueKeys: true })].flatMap(
    (document, index) => {
      const problem = [...document.errors, ...document.warnings][0];
      if (problem !== undefined) throw new Error(`document ${index}: ${problem.message}`);
      const value: unknown = document.toJS();
      if (value === null) return [];
      if (isObject(value)) return [value];
      throw new Error(`document ${index}: expected apiVersion, kind and metadata.name`);
    },
  );

const isObject = (value: unknown): value is KubernetesObject =>
  ['apiVersion', 'kind', 'metadata.name'].every(
    (path) => typeof getValue(value, path) === 'string',
  );

/** `kind/name`: what tables and messages call an object. */
export const formatTitle = ({ kind, metadata }: KubernetesObject): string =>
  `${kind}/${metadata.name}`;

export const filterByKind = (
  objects: readonly KubernetesObject[],
  kind: string,
): readonly KubernetesObject[] => objects.filter((object) => object.kind === kind);

/**
 * The value at a path such as `spec.ports[0].name`; undefined where there is none. A key with dots
 * is in brackets: `metadata.annotations[checksum/platform]`.
 */
export const getValue = (value: unknown, path: string): unknown =>
  [...path.matchAll(/[^.[\]]+|\[([^\]]+)\]/g)]
    .map(([step, bracketed]) => bracketed ?? step)
    .reduce<unknown>(
      (found, key) => (found as Readonly<Record<string, unknown>> | null | undefined)?.[key],
      value,
    );

/** The list at a path; empty where there is none. */
export const getList = (value: unknown, path: string): readonly unknown[] => {
  const found = getValue(value, path);
  return Array.isArray(found) ? (found as readonly unknown[]) : [];
};
