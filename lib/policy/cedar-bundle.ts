/** Files that `@cedar-policy/cedar-wasm/nodejs` reads from its own directory: to be copied beside a bundle. */
export const POLICY_BUNDLE = { files: ['cedar_wasm_bg.wasm'] } as const;
