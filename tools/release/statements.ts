import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { PACKAGES_FILE, type Package } from '../image/license-notices.ts';
import { toSha256 } from './archive.ts';
import type { CliArchive } from './cli-archives.ts';
import { NODE_VERSION, PLATFORMS } from './platforms.ts';
import type { Artifact, ReleaseContext } from './release-context.ts';
import { readIntegrity, ROOT } from './sources.ts';

/** A package of the bill of materials. */
type Component = Package & { readonly purl: string };

/** Everything in the image and the archives: npm packages, Node and Debian's libraries. */
export const listComponents = (packages: readonly Package[]): readonly Component[] => [
  ...packages.map((each) => ({
    ...each,
    purl: `pkg:npm/${each.name.replace('@', '%40')}@${each.version}`,
  })),
  ...PLATFORMS.map(({ nodeArchitecture }) => ({
    name: `node-linux-${nodeArchitecture}`,
    version: NODE_VERSION,
    license: 'MIT',
    purl: `pkg:npm/node-linux-${nodeArchitecture}@${NODE_VERSION}`,
  })),
  ...PLATFORMS.flatMap(({ architecture, packages: debian }) =>
    debian.map(({ name, version }) => ({
      name: `${name}:${architecture}`,
      version,
      license: name === 'libc6' ? 'LGPL-2.1-or-later' : 'GPL-3.0-or-later WITH GCC-exception-3.1',
      purl: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`,
    })),
  ),
];

/** The bill of materials as SPDX 2.3. */
export const buildSbom = ({ version, commit, epochSeconds, dist }: ReleaseContext): object => {
  const packages = JSON.parse(readFileSync(join(dist, PACKAGES_FILE), 'utf8')) as Package[];
  const components = listComponents(packages);
  const described = {
    SPDXID: 'SPDXRef-valetkey',
    name: 'valetkey',
    versionInfo: version,
    downloadLocation: `git+https://valetkey.dev/valetkey@${commit}`,
    licenseDeclared: 'Apache-2.0',
    licenseConcluded: 'Apache-2.0',
    copyrightText: 'NOASSERTION',
    filesAnalyzed: false,
  };
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `valetkey-${version}`,
    documentNamespace: `https://valetkey.dev/spdx/valetkey-${version}-${toSha256(JSON.stringify([commit, components])).slice(0, 16)}`,
    creationInfo: {
      created: toIsoSeconds(epochSeconds),
      creators: [`Tool: valetkey-release-${version}`],
    },
    documentDescribes: [described.SPDXID],
    packages: [described, ...components.map(toSpdxPackage)],
    relationships: [
      {
        spdxElementId: 'SPDXRef-DOCUMENT',
        relationshipType: 'DESCRIBES',
        relatedSpdxElement: described.SPDXID,
      },
      ...components.map((_, index) => ({
        spdxElementId: described.SPDXID,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: toSpdxId(index),
      })),
    ],
  };
};

const toSpdxId = (index: number): string => `SPDXRef-Package-${index + 1}`;

const toSpdxPackage = ({ name, version, license, purl }: Component, index: number) => ({
  SPDXID: toSpdxId(index),
  name,
  versionInfo: version,
  downloadLocation: 'NOASSERTION',
  licenseDeclared: license,
  licenseConcluded: 'NOASSERTION',
  copyrightText: 'NOASSERTION',
  filesAnalyzed: false,
  externalRefs: [
    {
      referenceCategory: 'PACKAGE-MANAGER',
      referenceType: 'purl',
      referenceLocator: purl,
    },
  ],
});

/** SPDX has no fractions of seconds. */
const toIsoSeconds = (epochSeconds: number): string =>
  new Date(epochSeconds * 1000).toISOString().replace('.000Z', 'Z');

/** What was built from what: an in-toto statement with SLSA provenance, version 1. */
export const buildProvenance = (
  subjects: readonly Artifact[],
  { version, commit, epochSeconds, builder }: ReleaseContext,
): object => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: {
    buildDefinition: {
      buildType: 'https://valetkey.dev/build/make-release/v1',
      externalParameters: { version },
      internalParameters: { sourceDateEpoch: epochSeconds },
      resolvedDependencies: [
        { uri: 'git+https://valetkey.dev/valetkey', digest: { gitCommit: commit } },
        {
          uri: 'package-lock.json',
          digest: { sha256: toSha256(readFileSync(join(ROOT, 'package-lock.json'))) },
        },
        ...PLATFORMS.flatMap(listPlatformDependencies),
      ],
    },
    runDetails: { builder: { id: builder } },
  },
});

const listPlatformDependencies = ({
  architecture,
  nodeArchitecture,
  packages,
}: (typeof PLATFORMS)[number]) => [
  {
    uri: `pkg:npm/node-linux-${nodeArchitecture}@${NODE_VERSION}`,
    digest: { sha512: toHex(readIntegrity(`node-linux-${nodeArchitecture}`)) },
  },
  ...packages.map(({ name, version, sha256 }) => ({
    uri: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`,
    digest: { sha256 },
  })),
];

const toHex = (integrity: string): string =>
  Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');

/** The manifest of the plugin for krew. */
export const buildKrewManifest = (
  archives: readonly CliArchive[],
  { version, downloadUrl }: ReleaseContext,
): object => ({
  apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
  kind: 'Plugin',
  metadata: { name: 'valetkey' },
  spec: {
    version: `v${version}`,
    homepage: 'https://valetkey.dev',
    shortDescription: 'Inspect, lint and revoke tasks of AI agents',
    description:
      'Inspects, explains, lints and revokes tasks of Valetkey, and verifies its audit logs.',
    caveats: 'On macOS it needs Node 20 or later on PATH.',
    platforms: archives.map(({ name, sha256, target }) => ({
      selector: { matchLabels: { os: target.os, arch: target.architecture } },
      uri: `${downloadUrl}/${name}`,
      sha256,
      bin: 'kubectl-valetkey',
    })),
  },
});
