/**
 * esbuild options that make iam-data read its files from the directory `data` beside the bundle. It
 * finds them by `import.meta.url`, which a CommonJS bundle does not have, or in
 * `import.meta.env.IAM_DATA_ROOT`, if the former is any file URL.
 */
export const CATALOG_BUNDLE = {
  define: { 'import.meta.url': '"file:///"', 'import.meta.env.IAM_DATA_ROOT': '__dirname' },
  /** The parts of the package's `data` directory to copy to `data` beside the bundle. */
  data: ['services.json', 'actions', 'resourceTypes'],
} as const;
