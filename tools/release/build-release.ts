import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

import { toSha256 } from './archive.ts';
import { checkChartVersion, writeChart } from './chart-package.ts';
import { writeCliArchives } from './cli-archives.ts';
import { buildRootFolder, writeImageLayout } from './image.ts';
import { PLATFORMS } from './platforms.ts';
import type { Artifact, ReleaseContext } from './release-context.ts';
import { ROOT, run } from './sources.ts';
import { buildKrewManifest, buildProvenance, buildSbom } from './statements.ts';

export const CHECKSUMS_FILE = 'SHA256SUMS';

/** Builds all parts of the release in `context.out`, which is emptied first. */
export const buildRelease = (context: ReleaseContext): void => {
  const { version, out, work, dist } = context;
  checkChartVersion(version);
  for (const folder of [out, work]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  }
  run(process.execPath, [join(ROOT, 'tools/build/main.ts'), '--out', dist]);
  const platforms = PLATFORMS.map((platform) => buildRootFolder(platform, context));
  const image = writeImageLayout(join(out, 'image'), platforms, context);
  const chart = writeChart(context);
  const archives = writeCliArchives(platforms, context);
  const write = (name: string, text: string): void => writeFileSync(join(out, name), text);
  write(`valetkey-${version}.spdx.json`, toJson(buildSbom(context)));
  write('krew.yaml', stringify(buildKrewManifest(archives, context)));
  write('digests.json', toJson({ image, chart }));
  const subjects = [
    ...listFiles(out),
    { name: 'image', sha256: image.replace('sha256:', '') },
    { name: 'chart', sha256: chart.replace('sha256:', '') },
  ];
  write(`valetkey-${version}.provenance.json`, toJson(buildProvenance(subjects, context)));
  write(CHECKSUMS_FILE, listFiles(out).map(formatChecksum).join(''));
};

const toJson = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;

/** As `sha256sum --check` reads it. */
const formatChecksum = ({ name, sha256 }: Artifact): string => `${sha256}  ${name}\n`;

/** The files of a folder, without those of its folders. */
const listFiles = (folder: string): readonly Artifact[] =>
  readdirSync(folder)
    .sort()
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => ({ name, sha256: toSha256(readFileSync(join(folder, name))) }));

/** The digest of every file below a folder, by path. */
export const digestTree = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .sort()
      .filter((path) => statSync(join(folder, path)).isFile())
      .map((path) => [path, toSha256(readFileSync(join(folder, path)))]),
  );
