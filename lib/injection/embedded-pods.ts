import { TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import { isMapping, toMapping, type Mapping } from '../schema/mapping.ts';

/** Members of nested mappings and lists, from the outermost. */
export type Path = readonly (string | number)[];

/** Where an object contains pods, and declarations that belong to none of them. */
export type EmbeddedPods = {
  /** Each with `metadata` and `spec.containers`, wherever the kind of the object puts it. */
  readonly pods: readonly { readonly template: Mapping; readonly at: Path }[];
  /** Keys with the prefix of a declaration, outside the annotations of a pod. */
  readonly stray: readonly Path[];
  /** Texts that contain the prefix, such as a manifest in a ConfigMap. */
  readonly texts: readonly Path[];
};

/** Finds every pod in an object: the object itself, or templates at any depth of any kind. */
export const findEmbeddedPods = (object: Mapping): EmbeddedPods => {
  const found = {
    pods: [] as EmbeddedPods['pods'][number][],
    stray: [] as Path[],
    texts: [] as Path[],
  };
  visit(object, []);
  return found;

  function visit(value: unknown, at: Path): void {
    if (typeof value === 'string') {
      if (value.includes(TASK_ANNOTATION_PREFIX)) found.texts.push(at);
    } else if (Array.isArray(value)) {
      value.forEach((item: unknown, index) => visit(item, [...at, index]));
    } else if (isMapping(value)) {
      visitMapping(value, at);
    }
  }

  function visitMapping(members: Mapping, at: Path): void {
    const isPod = isPodLike(members);
    if (isPod) found.pods.push({ template: members, at });
    for (const [name, member] of Object.entries(members)) {
      const path = [...at, name];
      if (isPod && name === 'metadata') visitPodMetadata(toMapping(member), path);
      else if (name.startsWith(TASK_ANNOTATION_PREFIX)) found.stray.push(path);
      else if (!isPod && name !== LAST_APPLIED) visit(member, path);
    }
  }

  /** The pod's own declarations are read with the pod; a label with their prefix is a mistake. */
  function visitPodMetadata(metadata: Mapping, at: Path): void {
    const others = Object.entries(metadata).filter(([name]) => name !== 'annotations');
    visit(Object.fromEntries(others), at);
  }
};

/** `kubectl apply` copies the whole object into this annotation. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

const isPodLike = ({ kind, spec }: Mapping): boolean =>
  kind === 'Pod' || Array.isArray(toMapping(spec)['containers']);

/** Formats a path as a JSON pointer (RFC 6901); empty for the whole object. */
export const toPointer = (path: Path): string =>
  path.map((each) => `/${String(each).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
