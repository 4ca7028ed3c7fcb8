import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Licenses of dependencies that may be distributed with this Apache-2.0 project. */
const ALLOWED_LICENSES = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'BlueOak-1.0.0',
  'Unlicense',
];

/** File name, next to the bundles in `dist` and in the image. */
export const NOTICES_FILE = 'THIRD-PARTY-NOTICES';

/** File name, next to the bundles in `dist`: the packages in them, as JSON, for the bill of materials. */
export const PACKAGES_FILE = 'packages.json';

export type Package = {
  readonly name: string;
  readonly version: string;
  readonly license: string;
};

/**
 * Renders the license notices of every package that has files in the bundles.
 *
 * @param inputs paths of bundled files, as esbuild's metafile names them
 * @throws Error if the license of a package is not allowed, or its license text is missing
 */
export const renderNotices = (inputs: readonly string[]): string => {
  const folders = listPackageFolders(inputs);
  const faults = folders.flatMap(checkLicense);
  if (faults.length > 0) throw new Error(`licences:\n- ${faults.join('\n- ')}`);
  return folders.map(renderNotice).join(`\n${'-'.repeat(80)}\n\n`);
};

/** Lists every package that has files in the bundles. @param inputs as for {@link renderNotices} */
export const listPackages = (inputs: readonly string[]): readonly Package[] =>
  listPackageFolders(inputs).map(readPackage);

const listPackageFolders = (inputs: readonly string[]): readonly string[] =>
  [...new Set(inputs.flatMap((path) => findPackageFolder(path) ?? []))].sort();

/** Finds the package folder (`…/node_modules/@scope/name`) of a file. */
export const findPackageFolder = (path: string): string | undefined =>
  /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0];

const readPackage = (folder: string): Package => {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  const { name, version, license } = JSON.parse(text) as Package;
  return { name, version, license };
};

const checkLicense = (folder: string): readonly string[] => {
  const { name, license } = readPackage(folder);
  return ALLOWED_LICENSES.includes(license)
    ? []
    : [`${name}: expected one of ${ALLOWED_LICENSES.join(', ')}, got ${license}`];
};

const renderNotice = (folder: string): string => {
  const { name, version, license } = readPackage(folder);
  const texts = readdirSync(folder)
    .filter((file) => /^(licen[cs]e|notice)(\.|$)/i.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return [`${name} ${version} (${license})`, ...texts, ''].join('\n\n');
};
