/** An operation of JSON Patch (RFC 6902), as far as Valetkey uses it. `path` is a JSON pointer (RFC 6901). */
export type JsonPatchOp =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };
