/**
 * Pushes dist/release to a registry on this machine, reads image and chart back by digest, has changed blobs refused,
 * signs and verifies it, and lints the workflows: `node tools/release/registry-check.ts`. Needs jq and the programs
 * of `node e2e/cluster/main.ts build`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { getProgramPath } from '../../e2e/cluster/programs.ts';
import { VERSION } from '../../lib/contract/version.ts';
import { CHART, findHelm, KUBE_VERSION, withRequired } from '../chart/helm.ts';
import { toSha256 } from './archive.ts';
import {
  crane,
  pushRelease,
  readReleaseDigests,
  RELEASE,
  RELEASE_PARTS,
  startRegistry,
  unpackPlugin,
  writeFailingPrograms,
  type LocalRegistry,
} from './local-registry.ts';
import { checkSignatures } from './signature-check.ts';
import { run } from './sources.ts';

/** References by digest, and where this process may write. */
type Target = { readonly image: string; readonly chart: string; readonly folder: string };

const checkEqual = (what: string, expected: string, got: string): void => {
  if (got !== expected) throw new Error(`${what}: expected ${expected}, got ${got}`);
  console.log(`ok ${what}: ${got}`);
};

/** Pushes both layouts and compares the digests that the registry has with those of the release. */
const checkPush = (registry: LocalRegistry): Omit<Target, 'folder'> => {
  const digests = readReleaseDigests();
  const repositories = pushRelease(registry);
  for (const part of RELEASE_PARTS) {
    const got = crane('digest', `${repositories[part]}:${VERSION}`);
    checkEqual(`digest of the ${part}`, digests[part], got);
  }
  return {
    image: `${repositories.image}@${digests.image}`,
    chart: `${repositories.chart}@${digests.chart}`,
  };
};

/** Reads the image of each platform by the digest of the index. */
const checkPlatforms = ({ image }: Target): void => {
  for (const architecture of ['amd64', 'arm64']) {
    const config = JSON.parse(crane('config', image, '--platform', `linux/${architecture}`)) as {
      readonly architecture: string;
    };
    checkEqual('platform of the image', architecture, config.architecture);
  }
};

const pullChart = (chart: string, folder: string) =>
  spawnSync(findHelm(), ['pull', `oci://${chart}`, '--plain-http', '-d', folder], {
    encoding: 'utf8',
  });

/** Pulls the chart by digest with Helm, and renders it with the image by digest, as docs/release.md describes. */
const checkChart = ({ image, chart, folder }: Target): void => {
  const { status, stderr } = pullChart(chart, folder);
  if (status !== 0) throw new Error(stderr);
  const [, digest = ''] = chart.split('@');
  // Helm writes the digest into the name of the file.
  const pulled = readFileSync(join(folder, `valetkey@${digest.replace(':', '-')}.tgz`));
  const released = readFileSync(join(RELEASE, `valetkey-${VERSION}.tgz`));
  checkEqual('chart pulled by digest', toSha256(released), toSha256(pulled));
  const [repository = '', imageDigest = ''] = image.split('@');
  const values = JSON.stringify(withRequired({ image: { repository, digest: imageDigest } }));
  const render = (source: string): string => {
    const args = ['template', 'valetkey', source, '--kube-version', KUBE_VERSION, '-f', '-'];
    const rendered = spawnSync(findHelm(), args, { input: values, encoding: 'utf8' });
    if (rendered.status !== 0) throw new Error(rendered.stderr);
    return rendered.stdout;
  };
  const pulledFile = join(folder, 'valetkey.tgz');
  writeFileSync(pulledFile, pulled);
  const rendered = render(pulledFile);
  checkEqual('rendered chart', toSha256(render(CHART)), toSha256(rendered));
  if (!rendered.includes(`image: "${image}"`) && !rendered.includes(`image: ${image}`))
    throw new Error(`rendered chart: expected the image ${image}, got another one`);
};

type Manifest = {
  readonly layers?: readonly { readonly digest: string }[];
  readonly manifests?: readonly { readonly digest: string }[];
};

/** The digest of the first layer; of an index, that of its first image. */
const findLayer = (reference: string): string => {
  const { layers = [], manifests = [] } = JSON.parse(crane('manifest', reference)) as Manifest;
  const [layer] = layers;
  if (layer !== undefined) return layer.digest;
  const [repository = ''] = reference.split('@');
  const [first] = manifests;
  if (first === undefined) throw new Error(`${reference}: expected a layer, got none`);
  return findLayer(`${repository}@${first.digest}`);
};

type Attempt = { readonly status: number | null; readonly stderr: string };

const REFUSED = /mismatched digest|verifying sha256 checksum/;

/** Changes one byte of a layer in the registry: any client that has the digest must refuse it. */
const checkChangedBlob = (what: string, file: string, pull: () => Attempt): void => {
  const content = readFileSync(file);
  const changed = Buffer.from(content);
  const middle = changed.length >> 1;
  changed.writeUInt8(changed.readUInt8(middle) ^ 1, middle);
  writeFileSync(file, changed);
  const refused = pull();
  writeFileSync(file, content);
  const [reason] = REFUSED.exec(refused.stderr) ?? [];
  if (refused.status === 0 || reason === undefined)
    throw new Error(
      `changed ${what}: expected a refusal for its digest, got ${refused.stderr || 'none'}`,
    );
  console.log(`ok changed ${what} refused: ${reason}`);
  const accepted = pull();
  if (accepted.status !== 0) throw new Error(`restored ${what}: ${accepted.stderr}`);
};

const checkChangedBlobs = ({ image, chart, folder }: Target, registry: LocalRegistry): void => {
  const into = join(folder, 'again');
  mkdirSync(into);
  const pullImage = () =>
    spawnSync(
      getProgramPath('crane'),
      ['pull', image, join(into, 'image.tar'), '--platform', 'linux/amd64', '--insecure'],
      { encoding: 'utf8' },
    );
  checkChangedBlob('chart', registry.getBlobFile(findLayer(chart)), () => pullChart(chart, into));
  checkChangedBlob('image', registry.getBlobFile(findLayer(image)), pullImage);
};

/** Unpacks the plugin for this platform and runs it without Node on PATH, by a link, as krew installs it. */
const checkPlugin = ({ folder }: Target): void => {
  const program = unpackPlugin(folder);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFailingPrograms(bin);
  const link = join(bin, 'kubectl-valetkey');
  run('ln', ['-s', program, link]);
  const { stdout } = spawnSync(link, ['--version'], {
    env: { PATH: `${bin}:/usr/bin:/bin` },
    encoding: 'utf8',
  });
  checkEqual('version of the plugin', VERSION, stdout.trim());
  const completion = run(join(folder, 'kubectl_complete-valetkey'), ['audit', 'v']);
  checkEqual('completion of the plugin', 'verify', completion.split('\t', 1)[0] ?? '');
};

const folder = mkdtempSync(join(tmpdir(), 'valetkey-registry-'));
const registry = await startRegistry(folder);
try {
  run('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], RELEASE);
  const target: Target = { ...checkPush(registry), folder };
  checkPlatforms(target);
  checkChart(target);
  checkChangedBlobs(target, registry);
  checkSignatures(mkdtempSync(join(folder, 'signatures-')), registry);
  checkPlugin(target);
  run(getProgramPath('actionlint'), []);
  console.log('ok workflows: actionlint');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  registry.stop();
  rmSync(folder, { recursive: true, force: true });
}
