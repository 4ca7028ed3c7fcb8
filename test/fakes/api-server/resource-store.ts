/** An object as the API server stores and returns it. */
export type StoredResource = {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation: number;
    readonly creationTimestamp: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [member: string]: unknown;
  };
  readonly [member: string]: unknown;
};

export type JsonObject = Readonly<Record<string, unknown>>;

/** One change of one object, at a version of the whole store. */
export type ObjectChange = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** `/api/v1/namespaces/default/pods/agent`. */
  readonly path: string;
  readonly version: number;
  readonly object: StoredResource;
};

export type ResourceStore = {
  readonly get: (path: string) => StoredResource | undefined;
  /** Those of a collection, or of a resource in every namespace. */
  readonly list: (collection: string) => readonly StoredResource[];
  /** Nothing: there is one already. */
  readonly create: (path: string, body: JsonObject) => StoredResource | undefined;
  /** Puts another in the place of one that is there. */
  readonly replace: (path: string, body: JsonObject) => StoredResource;
  readonly remove: (path: string) => void;
  /** Of the newest change. */
  readonly version: () => number;
  /** What changed in a collection after `version`, and from now on; answers how to stop. */
  readonly subscribe: (
    collection: string,
    version: number,
    notify: (change: ObjectChange) => void,
  ) => () => void;
  /** Takes a snapshot of etcd; answers how to restore it: versions count again from that of the snapshot. */
  readonly takeSnapshot: () => RestoreSnapshot;
  /** Calls `end` when the store is restored; answers how to stop. */
  readonly onRestore: (end: () => void) => () => void;
};

/**
 * @param options.endsWatches as the API server does, which restarts for it; false: another one answers the next request
 */
export type RestoreSnapshot = (options?: { readonly endsWatches: boolean }) => void;

/** Objects in memory, by path, and every change to them. */
export const createResourceStore = (terms: {
  now: () => number;
  newUid: () => string;
}): ResourceStore => {
  const objects = new Map<string, StoredResource>();
  const changes: ObjectChange[] = [];
  const followers = new Set<(change: ObjectChange) => void>();
  const watches = new Set<() => void>();
  let version = 1;

  const notify = (
    type: ObjectChange['type'],
    path: string,
    object: StoredResource,
  ): StoredResource => {
    const change = { type, path, version, object };
    changes.push(change);
    followers.forEach((follower) => follower(change));
    return object;
  };
  const create: ResourceStore['create'] = (path, body) => {
    if (objects.has(path)) return undefined;
    const [, namespace] = /\/namespaces\/([^/]+)\/[^/]+\/[^/]+$/.exec(path) ?? [];
    const given = {
      name: path.slice(path.lastIndexOf('/') + 1),
      ...(namespace !== undefined && { namespace }),
      uid: terms.newUid(),
      generation: 1,
      creationTimestamp: new Date(terms.now()).toISOString().replace(/\.\d+/, ''),
    };
    const metadata = { ...given, ...toJsonObject(body['metadata']), resourceVersion: next() };
    return keep('ADDED', path, { ...body, metadata });
  };
  const replace: ResourceStore['replace'] = (path, body) => {
    const { metadata: old, ...rest } = objects.get(path) ?? createNotFoundError(path);
    const isOther = JSON.stringify(rest['spec']) !== JSON.stringify(body['spec']);
    const { name, namespace, uid, creationTimestamp } = old;
    const kept = {
      ...{ name, uid, creationTimestamp, generation: old.generation + (isOther ? 1 : 0) },
      ...(namespace !== undefined && { namespace }),
    };
    const metadata = { ...toJsonObject(body['metadata']), ...kept, resourceVersion: next() };
    return keep('MODIFIED', path, { ...body, metadata });
  };
  const next = (): string => String((version += 1));
  const keep = (
    type: ObjectChange['type'],
    path: string,
    object: StoredResource,
  ): StoredResource => {
    objects.set(path, object);
    return notify(type, path, object);
  };
  return {
    get: (path) => objects.get(path),
    list: (collection) =>
      [...objects].flatMap(([path, object]) => (isWithin(path, collection) ? [object] : [])),
    create,
    replace,
    remove: (path) => {
      const object = objects.get(path) ?? createNotFoundError(path);
      objects.delete(path);
      notify('DELETED', path, {
        ...object,
        metadata: { ...object.metadata, resourceVersion: next() },
      });
    },
    version: () => version,
    subscribe: (collection, from, follower) => {
      // A version of the future is no error: changes are dropped until the store gets there.
      const wanted = (change: ObjectChange): void => {
        if (change.version > from && isWithin(change.path, collection)) follower(change);
      };
      for (const change of changes) wanted(change);
      followers.add(wanted);
      return () => followers.delete(wanted);
    },
    takeSnapshot: () => {
      const kept = { objects: [...objects], changes: changes.length, version };
      return ({ endsWatches } = { endsWatches: true }) => {
        objects.clear();
        for (const [path, object] of kept.objects) objects.set(path, object);
        changes.length = kept.changes;
        version = kept.version;
        if (endsWatches) watches.forEach((end) => end());
      };
    },
    onRestore: (end) => {
      watches.add(end);
      return () => watches.delete(end);
    },
  };
};

/** `/api/v1/pods` holds the pods of every namespace. */
const isWithin = (path: string, collection: string): boolean => {
  const parent = path.slice(0, path.lastIndexOf('/'));
  return parent === collection || parent.replace(/\/namespaces\/[^/]+\//, '/') === collection;
};

const createNotFoundError = (path: string): never => {
  throw new Error(`${path}: expected an object, got none`);
};

export const toJsonObject = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
