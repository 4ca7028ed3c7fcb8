import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

import { compress, packFolder } from './archive.ts';
import { createLayout, MANIFEST_TYPE } from './oci-layout.ts';
import type { ReleaseContext } from './release-context.ts';
import { ROOT } from './sources.ts';

const CONFIG = 'application/vnd.cncf.helm.config.v1+json';
const CONTENT = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip';

/**
 * Packs the chart, which Helm itself would pack with the current time, as a file and as an OCI layout.
 *
 * @returns the digest of the layout's manifest
 */
export const writeChart = ({ version, epochSeconds, work, out }: ReleaseContext): string => {
  const folder = join(work, 'chart');
  cpSync(join(ROOT, 'charts/valetkey'), join(folder, 'valetkey'), { recursive: true });
  const archive = compress(packFolder(folder, epochSeconds, ['valetkey']));
  writeFileSync(join(out, `valetkey-${version}.tgz`), archive);
  const metadata: unknown = parse(readFileSync(join(folder, 'valetkey/Chart.yaml'), 'utf8'));
  const layout = createLayout(join(out, 'chart'));
  const manifest = layout.addBlob(MANIFEST_TYPE, {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: layout.addBlob(CONFIG, metadata as object),
    layers: [layout.addBlob(CONTENT, archive)],
    annotations: {
      'org.opencontainers.image.title': 'valetkey',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.created': new Date(epochSeconds * 1000).toISOString(),
    },
  });
  layout.finish(manifest, version);
  return manifest.digest;
};

/** @throws Error if the chart has another version than the programs */
export const checkChartVersion = (version: string): void => {
  const chart = parse(readFileSync(join(ROOT, 'charts/valetkey/Chart.yaml'), 'utf8')) as {
    readonly version: string;
    readonly appVersion: string;
  };
  const versions = [chart.version, chart.appVersion];
  if (versions.some((each) => each !== version))
    throw new Error(
      `Chart.yaml: expected version and appVersion ${version}, got ${versions.join()}`,
    );
};
