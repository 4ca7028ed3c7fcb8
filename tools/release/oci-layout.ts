import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { toSha256 } from './archive.ts';

export type Descriptor = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string };
  readonly annotations?: Readonly<Record<string, string>>;
};

const OCI = 'application/vnd.oci.image';
export const MANIFEST_TYPE = `${OCI}.manifest.v1+json`;
export const INDEX_TYPE = `${OCI}.index.v1+json`;
export const CONFIG_TYPE = `${OCI}.config.v1+json`;
export const LAYER_TYPE = `${OCI}.layer.v1.tar+gzip`;

/** An image layout (OCI image specification, "Image Layout") that is being written. */
export type Layout = {
  readonly addBlob: (mediaType: string, content: Buffer | object) => Descriptor;
  /** Writes index.json with one entry, which `tag` names. */
  readonly finish: (entry: Descriptor, tag: string) => void;
};

/** Creates an image layout in an empty or absent folder. */
export const createLayout = (folder: string): Layout => {
  const blobs = join(folder, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  return {
    addBlob: (mediaType, content) => {
      const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
      const hex = toSha256(bytes);
      writeFileSync(join(blobs, hex), bytes);
      return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
    },
    finish: (entry, tag) => {
      const annotations = { 'org.opencontainers.image.ref.name': tag };
      const index = {
        schemaVersion: 2,
        mediaType: INDEX_TYPE,
        manifests: [{ ...entry, annotations }],
      };
      writeFileSync(join(folder, 'index.json'), JSON.stringify(index));
      writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    },
  };
};
