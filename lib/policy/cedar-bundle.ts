/**
 * What `@cedar-policy/cedar-wasm/nodejs` reads from beside its own file, and so from beside a bundle
 * that it is part of.
 */
export const POLICY_BUNDLE = { files: ['cedar_wasm_bg.wasm'] } as const;
