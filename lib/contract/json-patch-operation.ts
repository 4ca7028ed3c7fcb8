/** One operation of RFC 6902; we need no others. `path` is a JSON pointer (RFC 6901). */
export type JsonPatchOp =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };
