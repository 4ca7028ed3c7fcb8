import {
  API_GROUP,
  API_VERSION,
  REVOCATIONS,
  TASK_POLICIES,
  UPSTREAMS,
} from '../../contract/authority-api.ts';
import type { ApiClient } from './api-client.ts';
import { findObject, toOutcome } from './kubernetes-error.ts';

/** One of Valetkey's own kinds: `TaskPolicy`, `taskpolicies`. */
export type CustomResourceKind = { readonly kind: string; readonly plural: string };

/**
 * Objects of one response; limits memory of the API server and of this process. A TaskPolicy may have
 * 64 KiB, and kubectl stores a copy in an annotation.
 */
const PAGE_SIZES: ReadonlyMap<string, number> = new Map([
  [REVOCATIONS, 500],
  [TASK_POLICIES, 40],
  [UPSTREAMS, 40],
]);
const DEFAULT_PAGE_SIZE = 100;

/** A resource as the API server returns it; `spec` and `status` are not parsed yet. */
export type CustomResource = {
  readonly metadata: {
    readonly name: string;
    /** Of a namespaced kind. */
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    /** RFC 3339. */
    readonly creationTimestamp?: string;
  };
  readonly spec?: unknown;
  readonly status?: unknown;
};

/** All resources of a kind at one resource version. */
export type CustomResourceList = {
  readonly resourceVersion: string;
  readonly items: readonly CustomResource[];
};

export type CustomResourceClient = {
  /** Path of the collection at the API server. */
  readonly path: string;
  /** The resource version of the API server's storage; reads at most one object. */
  readonly readVersion: () => Promise<string>;
  /** A consistent list from the API server's storage, not from its cache. */
  readonly list: (labelSelector?: string) => Promise<CustomResourceList>;
  /** From the API server's storage; undefined: there is none. */
  readonly read: (name: string) => Promise<CustomResource | undefined>;
  /** `exists`: the name is in use. */
  readonly create: (
    name: string,
    spec: object,
    /** Labels and owners. */
    more?: {
      readonly labels: Readonly<Record<string, string>>;
      readonly ownerReferences?: readonly object[];
    },
  ) => Promise<'created' | 'exists'>;
  /** Deletes the object if it still has this UID. `gone`: it does not exist any more. */
  readonly remove: (name: string, uid: string) => Promise<'removed' | 'gone'>;
  /** Sets members of `status`. `conflict`: the object was deleted or changed since `resourceVersion`. */
  readonly writeStatus: (change: {
    readonly name: string;
    readonly resourceVersion: string;
    readonly status: object;
  }) => Promise<'written' | 'conflict'>;
};

/**
 * @param namespace of a namespaced kind. Without it, `list` returns the objects of every namespace; the other
 *   functions are then for cluster-scoped kinds only
 * @returns every function throws KubernetesError
 */
export const createCustomResourceClient = (
  calls: ApiClient,
  { kind, plural }: CustomResourceKind,
  namespace?: string,
): CustomResourceClient => {
  const apiVersion = `${API_GROUP}/${API_VERSION}`;
  const within = namespace === undefined ? '' : `namespaces/${encodeURIComponent(namespace)}/`;
  const path = `/apis/${apiVersion}/${within}${plural}`;
  const limit = PAGE_SIZES.get(plural) ?? DEFAULT_PAGE_SIZE;
  const at = (name: string): string => `${path}/${encodeURIComponent(name)}`;
  return {
    path,
    readVersion: async () => {
      const call = { method: 'GET', path: `${path}?limit=1` } as const;
      const { metadata } = (await calls(`list ${plural}`, call)) as ListResponse;
      return metadata?.resourceVersion ?? '';
    },
    read: (name) =>
      findObject(
        calls(`get ${plural} ${name}`, {
          method: 'GET',
          path: at(name),
        }) as Promise<CustomResource>,
      ),
    list: async (labelSelector) => {
      const selected =
        labelSelector === undefined ? '' : `&labelSelector=${encodeURIComponent(labelSelector)}`;
      const items: CustomResource[] = [];
      for (let next = ''; ;) {
        const from = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
        const call = { method: 'GET', path: `${path}?limit=${limit}${selected}${from}` } as const;
        const response = (await calls(`list ${plural}`, call)) as ListResponse;
        items.push(...(response.items ?? []));
        next = response.metadata?.continue ?? '';
        if (next === '')
          return { resourceVersion: response.metadata?.resourceVersion ?? '', items };
      }
    },
    create: (name, spec, more) => {
      const metadata = {
        name,
        ...(namespace !== undefined && { namespace }),
        ...more,
      };
      const body = { apiVersion, kind, metadata, spec };
      const call = { method: 'POST', path, body } as const;
      return toOutcome(calls(`create ${plural} ${name}`, call), 'created', { conflict: 'exists' });
    },
    remove: (name, uid) => {
      const call = { method: 'DELETE', path: at(name), body: { preconditions: { uid } } } as const;
      const removed = calls(`delete ${plural} ${name}`, call);
      return toOutcome(removed, 'removed', { notFound: 'gone', conflict: 'gone' });
    },
    writeStatus: ({ name, resourceVersion, status }) => {
      const body = { metadata: { resourceVersion }, status };
      const call = { method: 'PATCH', path: `${at(name)}/status`, body } as const;
      const written = calls(`patch ${plural} ${name}/status`, call);
      return toOutcome(written, 'written', { conflict: 'conflict', notFound: 'conflict' });
    },
  };
};

type ListResponse = {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly CustomResource[];
};
