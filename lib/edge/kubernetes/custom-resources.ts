import {
  API_GROUP,
  API_VERSION,
  REVOCATIONS,
  TASK_POLICIES,
} from '../../contract/authority-api.ts';
import type { ApiClient } from './api-client.ts';
import { recoverFrom } from './kubernetes-error.ts';

/** The kinds of ours, all cluster-scoped. */
export type CustomResourceKind =
  | { readonly kind: 'Revocation'; readonly plural: typeof REVOCATIONS }
  | { readonly kind: 'TaskPolicy'; readonly plural: typeof TASK_POLICIES };

/**
 * Objects of one answer: bounds what the API server, and we, hold of it at once. A TaskPolicy may have
 * 64 KiB, and kubectl keeps a copy in an annotation.
 */
const PAGE_SIZES = { [REVOCATIONS]: 500, [TASK_POLICIES]: 40 } as const;

/** One of our resources as the API server tells it; `spec` and `status` are to be read. */
export type CustomResource = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    /** RFC 3339. */
    readonly creationTimestamp?: string;
  };
  readonly spec?: unknown;
  readonly status?: unknown;
};

/** All of them, as of one moment. */
export type CustomResourceList = {
  readonly resourceVersion: string;
  readonly items: readonly CustomResource[];
};

export type CustomResourceClient = {
  /** Afresh, from the API server's own store. */
  readonly list: () => Promise<CustomResourceList>;
  /** `exists`: there is one of this name already. */
  readonly create: (name: string, spec: object) => Promise<'created' | 'exists'>;
  /** Only where it is still the one with this UID; it is no fault when it is gone. */
  readonly remove: (name: string, uid: string) => Promise<'removed' | 'gone'>;
  /** Sets members of `status`. `conflict`: it is gone, or not what `resourceVersion` was. */
  readonly writeStatus: (change: {
    readonly name: string;
    readonly resourceVersion: string;
    readonly status: object;
  }) => Promise<'written' | 'conflict'>;
};

/** @returns every function throws KubernetesError */
export const createCustomResourceClient = (
  calls: ApiClient,
  { kind, plural }: CustomResourceKind,
): CustomResourceClient => {
  const apiVersion = `${API_GROUP}/${API_VERSION}`;
  const path = `/apis/${apiVersion}/${plural}`;
  const at = (name: string): string => `${path}/${encodeURIComponent(name)}`;
  return {
    list: async () => {
      const items: CustomResource[] = [];
      for (let next = ''; ;) {
        const from = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
        const call = { method: 'GET', path: `${path}?limit=${PAGE_SIZES[plural]}${from}` } as const;
        const answer = (await calls(`list ${plural}`, call)) as ListResponse;
        items.push(...(answer.items ?? []));
        next = answer.metadata?.continue ?? '';
        if (next === '') return { resourceVersion: answer.metadata?.resourceVersion ?? '', items };
      }
    },
    create: (name, spec) => {
      const body = { apiVersion, kind, metadata: { name }, spec };
      const call = { method: 'POST', path, body } as const;
      const created = calls(`create ${plural} ${name}`, call).then(() => 'created' as const);
      return recoverFrom(['conflict'], created, 'exists' as const);
    },
    remove: (name, uid) => {
      const call = { method: 'DELETE', path: at(name), body: { preconditions: { uid } } } as const;
      const removed = calls(`delete ${plural} ${name}`, call).then(() => 'removed' as const);
      return recoverFrom(['notFound', 'conflict'], removed, 'gone' as const);
    },
    writeStatus: ({ name, resourceVersion, status }) => {
      const body = { metadata: { resourceVersion }, status };
      const call = { method: 'PATCH', path: `${at(name)}/status`, body } as const;
      const written = calls(`patch ${plural} ${name}/status`, call).then(() => 'written' as const);
      return recoverFrom(['conflict', 'notFound'], written, 'conflict' as const);
    },
  };
};

type ListResponse = {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly CustomResource[];
};
