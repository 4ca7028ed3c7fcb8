import type { Platform } from './platforms.ts';

/** What every part of a release uses. */
export type ReleaseContext = {
  readonly version: string;
  /** The Git commit of the sources. */
  readonly commit: string;
  /** Time of every file: that of the commit, so that a later build makes the same bytes. */
  readonly epochSeconds: number;
  /** A folder for intermediate files. */
  readonly work: string;
  /** The bundles of `make build`. */
  readonly dist: string;
  /** Folder of the release. */
  readonly out: string;
  /** Where files will be downloaded from, for the krew manifest. */
  readonly downloadUrl: string;
  /** Who builds, as a URI, for the provenance. */
  readonly builder: string;
  /** Whether this machine can run programs of the platform. */
  readonly isNative: (platform: Platform) => boolean;
};

/** A file of the release, or the content of an image, with its digest. */
export type Artifact = { readonly name: string; readonly sha256: string };
