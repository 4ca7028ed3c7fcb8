import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { VERSION } from '../../lib/contract/version.ts';
import { IMAGE_PROGRAMS } from '../image/image-programs.ts';
import { buildRelease, digestTree } from './build-release.ts';
import { PLATFORMS } from './platforms.ts';
import type { ReleaseContext } from './release-context.ts';
import { ROOT, run } from './sources.ts';

const HELP = `node tools/release/main.ts [--out FOLDER] [--twice] [--download-url URL] [--builder URI]

Builds the release in FOLDER (default: dist/release): image and chart as OCI layouts, archives of the kubectl
plugin, bill of materials, provenance, checksums. Needs root on Linux amd64, npm, apt-get and dpkg-deb.

  --twice             build it a second time elsewhere and compare every byte
  --download-url URL  where the archives will be, for the krew manifest
  --builder URI       who builds, for the provenance
`;

const readSourceTime = (): number =>
  Number(process.env['SOURCE_DATE_EPOCH'] ?? run('git', ['log', '-1', '--format=%ct']));

const buildContext = (
  out: string,
  work: string,
  options: Pick<ReleaseContext, 'downloadUrl' | 'builder'>,
): ReleaseContext => ({
  ...options,
  version: VERSION,
  commit: run('git', ['rev-parse', 'HEAD']).trim(),
  epochSeconds: readSourceTime(),
  work,
  dist: join(work, 'dist'),
  out,
  isNative: ({ nodeArchitecture }) => nodeArchitecture === process.arch,
});

/** What was run of the image of a foreign platform. */
type ForeignRun = { readonly text: string; readonly isRun: boolean };

/** Runs each program of a foreign platform with qemu. @returns one result for each platform */
const runForeignPrograms = ({ work, isNative }: ReleaseContext): readonly ForeignRun[] =>
  PLATFORMS.filter((platform) => !isNative(platform)).map(({ architecture }) => {
    const root = join(work, `root-${architecture}`);
    const qemu = architecture === 'arm64' ? 'qemu-aarch64-static' : 'qemu-x86_64-static';
    if (spawnSync(qemu, ['--version']).status !== 0) {
      const text = `${architecture}: assembled; its programs, because ${qemu} is not on PATH`;
      return { text, isRun: false };
    }
    for (const { name, command } of IMAGE_PROGRAMS) {
      const inside = command.map((part) => (part.startsWith('/') ? join(root, part) : part));
      const { stdout, stderr } = spawnSync(qemu, ['-L', root, ...inside, '--help'], {
        encoding: 'utf8',
      });
      if (!stdout.includes('VALETKEY_'))
        throw new Error(`${architecture}: ${name} --help names no setting: ${stderr}`);
    }
    return { text: `${architecture}: each program ran with ${qemu}`, isRun: true };
  });

/** At the end, where people read it. */
const printForeignRuns = (runs: readonly ForeignRun[]): void => {
  for (const { text, isRun } of runs) console.log(isRun ? text : `not run: ${text}`);
};

/** @returns the paths whose content differs */
const findDifferences = (one: string, other: string): readonly string[] => {
  const [first, second] = [digestTree(one), digestTree(other)];
  const paths = new Set([...first.keys(), ...second.keys()]);
  return [...paths].filter((path) => first.get(path) !== second.get(path));
};

const main = (): number => {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: join(ROOT, 'dist/release') },
      twice: { type: 'boolean', default: false },
      'download-url': { type: 'string', default: `https://valetkey.dev/releases/v${VERSION}` },
      builder: { type: 'string', default: 'https://valetkey.dev/build/local' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (process.getuid?.() !== 0 || process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('expected root on Linux amd64: the compile cache needs a run of each program');
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-release-'));
  const options = { downloadUrl: values['download-url'], builder: values.builder };
  try {
    const out = resolve(values.out);
    const context = buildContext(out, join(folder, 'work'), options);
    buildRelease(context);
    const foreignRuns = runForeignPrograms(context);
    console.log(`${out}: version ${context.version}, commit ${context.commit}`);
    if (!values.twice) {
      printForeignRuns(foreignRuns);
      return 0;
    }
    const again = join(folder, 'again');
    buildRelease(buildContext(again, join(folder, 'work-again'), options));
    const differences = findDifferences(out, again);
    for (const path of differences) console.error(`${path}: differs between two builds`);
    console.log(`${digestTree(out).size} files, ${differences.length} differ between two builds`);
    printForeignRuns(foreignRuns);
    return differences.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

try {
  process.exitCode = main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
