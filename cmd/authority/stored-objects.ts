/** An object whose status the authority writes, as the API server returns it. */
export type StoredObject = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
  };
  readonly spec?: unknown;
  readonly status?: unknown;
};
