/**
 * iam-data finds its files by `import.meta.url`, which a CommonJS bundle does not have, or under
 * `import.meta.env.IAM_DATA_ROOT`, where the former only has to be a file's. These esbuild options
 * point it at the folder `data` beside the bundle.
 */
export const CATALOG_BUNDLE = {
  define: { 'import.meta.url': '"file:///"', 'import.meta.env.IAM_DATA_ROOT': '__dirname' },
  /** What of the package's `data` folder we read, to be copied to the folder `data` beside the bundle. */
  data: ['services.json', 'actions', 'resourceTypes'],
} as const;
