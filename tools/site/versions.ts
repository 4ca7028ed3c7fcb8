import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

/** An earlier version, which the site keeps beside the current one. */
export type EarlierVersion = {
  /** `v0.1`: the last part of its path in the site. */
  readonly name: string;
  /** The newest tag of this version: `v0.1.2`. */
  readonly tag: string;
};

/** An entry of the switch between versions: what it shows, and the path of the version. */
export type VersionLink = { readonly text: string; readonly base: string };

const TAG = /^v(?<major>\d+)\.(?<minor>\d+)\.(?<patch>\d+)$/;

const readNumbers = (tag: string): readonly [number, number, number] | undefined => {
  const { major, minor, patch } = TAG.exec(tag)?.groups ?? {};
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
};

const compareTags = (a: string, b: string): number => {
  const [left, right] = [readNumbers(a), readNumbers(b)];
  const differences = (left ?? []).map((number, index) => number - (right?.[index] ?? 0));
  return differences.find((difference) => difference !== 0) ?? 0;
};

/**
 * The versions before `version` that have tags, from new to old: of each minor version the newest patch. Tags of
 * prereleases are no versions.
 */
export const listEarlierVersions = (
  tags: readonly string[],
  version: string,
): readonly EarlierVersion[] => {
  const current = `v${version}`;
  const earlier = tags
    .filter((tag) => TAG.test(tag) && compareTags(tag, current) < 0)
    .toSorted(compareTags);
  const newest = new Map(earlier.map((tag) => [tag.replace(/\.\d+$/, ''), tag]));
  return Array.from(newest, ([name, tag]) => ({ name, tag })).toReversed();
};

/** The switch between versions: the current one, marked if it has no tag yet, and those before it. */
export const listVersionLinks = (
  { version, tags, base }: { version: string; tags: readonly string[]; base: string },
  earlier: readonly EarlierVersion[],
): readonly VersionLink[] => [
  { text: tags.includes(`v${version}`) ? version : `${version} (next)`, base },
  ...earlier.map(({ name, tag }) => ({ text: tag.slice(1), base: `${base}${name}/` })),
];

/** The tags of a clone; none outside of one. */
export const listTags = (folder: string): readonly string[] => {
  try {
    const output = execFileSync('git', ['-C', folder, 'tag', '--list'], {
      ...{ encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    });
    return output.split('\n').filter(Boolean);
  } catch {
    return [];
  }
};

/**
 * Writes the files of a tag to `folder`, with the current generator of the site instead of its own, so that each version
 * has the same switch. Pages, the landing page and images are those of the tag.
 */
export const checkOutVersion = (
  { tag }: EarlierVersion,
  { repository, folder }: { readonly repository: string; readonly folder: string },
): void => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const archive = execFileSync('git', ['-C', repository, 'archive', '--format=tar', tag], {
    maxBuffer: 1 << 30,
  });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  cpSync(join(repository, 'tools', 'site'), join(folder, 'tools', 'site'), {
    recursive: true,
    filter: (source) => basename(source) !== 'landing.md',
  });
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
};
