/** A Debian package whose libraries Node needs, with the SHA-256 of its file. */
export type DebianPackage = {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
};

/** A platform of the image. */
export type Platform = {
  /** Names of Go and OCI, of Debian, and of Node. */
  readonly architecture: 'amd64' | 'arm64';
  readonly nodeArchitecture: 'x64' | 'arm64';
  /** Path of the dynamic loader, which is part of every binary. */
  readonly loader: string;
  /** Folder in which the loader searches libraries. */
  readonly libraryFolder: string;
  /** From Debian 12, pinned so that two builds on two machines have the same files. */
  readonly packages: readonly DebianPackage[];
};

/** The libraries that the binary of Node is linked to, beside the loader. */
export const NODE_LIBRARIES = [
  ...['libdl.so.2', 'libstdc++.so.6', 'libm.so.6', 'libgcc_s.so.1', 'libpthread.so.0', 'libc.so.6'],
];

const LIBC = '2.36-9+deb12u14';
const GCC = '12.2.0-14+deb12u1';

export const PLATFORMS: readonly Platform[] = [
  {
    architecture: 'amd64',
    nodeArchitecture: 'x64',
    loader: '/lib64/ld-linux-x86-64.so.2',
    libraryFolder: '/lib/x86_64-linux-gnu',
    packages: [
      {
        name: 'libc6',
        version: LIBC,
        sha256: 'ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf',
      },
      {
        name: 'libstdc++6',
        version: GCC,
        sha256: '5cd3171216d4ab0fc911cfe9c35509bf2dd8f47761c43b7f6a4296701551a24d',
      },
      {
        name: 'libgcc-s1',
        version: GCC,
        sha256: '3016e62cb4b7cd8038822870601f5ed131befe942774d0f745622cc77d8a88f7',
      },
    ],
  },
  {
    architecture: 'arm64',
    nodeArchitecture: 'arm64',
    loader: '/lib/ld-linux-aarch64.so.1',
    libraryFolder: '/lib/aarch64-linux-gnu',
    packages: [
      {
        name: 'libc6',
        version: LIBC,
        sha256: '01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4',
      },
      {
        name: 'libstdc++6',
        version: GCC,
        sha256: '26e138c677a985775331373828a6c286c551ff397cb735d00e2383cb273d1cb2',
      },
      {
        name: 'libgcc-s1',
        version: GCC,
        sha256: '576926b283613db80168ddf76380a3bd877602778cf0d226caa7bfbfa71eacf3',
      },
    ],
  },
];

export const NODE_VERSION = process.versions.node;
