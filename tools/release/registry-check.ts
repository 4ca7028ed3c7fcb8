/**
 * Pushes dist/release to a registry on this machine, reads image and chart back by digest, and lints the
 * workflows: `node tools/release/registry-check.ts`. Needs the programs of `node e2e/cluster/main.ts build`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { getProgramPath } from '../../e2e/cluster/programs.ts';
import { VERSION } from '../../lib/contract/version.ts';
import { findFreePorts } from '../../test/kit/free-ports.ts';
import { waitFor } from '../../test/kit/retry.ts';
import { CHART, findHelm, KUBE_VERSION, withRequired } from '../chart/helm.ts';
import { toSha256 } from './archive.ts';
import { ROOT, run } from './sources.ts';

const RELEASE = join(ROOT, 'dist/release');

/** Starts a registry that keeps its blobs below `folder`. @returns its address, and a function that ends it */
const startRegistry = async (folder: string) => {
  const [port = 0] = await findFreePorts(1);
  const address = `127.0.0.1:${port}`;
  const config = join(folder, 'config.yml');
  const storage = `storage: { filesystem: { rootdirectory: ${join(folder, 'blobs')} } }`;
  writeFileSync(config, `version: 0.1\n${storage}\nhttp: { addr: "${address}" }\n`);
  const child = spawn(getProgramPath('registry'), ['serve', config], { stdio: 'ignore' });
  await waitFor('the registry', async () => (await fetch(`http://${address}/v2/`)).ok);
  return { address, stop: () => child.kill() };
};

const crane = (...args: readonly string[]): string =>
  run(getProgramPath('crane'), [...args, '--insecure']).trim();

const checkEqual = (what: string, expected: string, got: string): void => {
  if (got !== expected) throw new Error(`${what}: expected ${expected}, got ${got}`);
  console.log(`ok ${what}: ${got}`);
};

/** Pushes both layouts and compares the digests that the registry has with those of the release. */
const checkPush = (address: string): { readonly image: string; readonly chart: string } => {
  const digests = JSON.parse(readFileSync(join(RELEASE, 'digests.json'), 'utf8')) as {
    readonly image: string;
    readonly chart: string;
  };
  const targets = { image: `${address}/valetkey`, chart: `${address}/charts/valetkey` };
  for (const name of ['image', 'chart'] as const) {
    crane('push', join(RELEASE, name), `${targets[name]}:${VERSION}`);
    checkEqual(
      `digest of the ${name}`,
      digests[name],
      crane('digest', `${targets[name]}:${VERSION}`),
    );
  }
  return { image: `${targets.image}@${digests.image}`, chart: `${targets.chart}@${digests.chart}` };
};

/** Reads the image of each platform by the digest of the index. */
const checkPlatforms = (image: string): void => {
  for (const architecture of ['amd64', 'arm64']) {
    const config = JSON.parse(crane('config', image, '--platform', `linux/${architecture}`)) as {
      readonly architecture: string;
    };
    checkEqual('platform of the image', architecture, config.architecture);
  }
};

/** Pulls the chart with Helm, and renders it with the image by digest, as docs/release.md describes. */
const checkChart = (address: string, image: string, folder: string): void => {
  const helm = findHelm();
  const source = `oci://${address}/charts/valetkey`;
  run(helm, ['pull', source, '--version', VERSION, '--plain-http', '-d', folder]);
  const archive = `valetkey-${VERSION}.tgz`;
  const [pulled, released] = [folder, RELEASE].map((each) =>
    toSha256(readFileSync(join(each, archive))),
  );
  checkEqual('chart pulled by Helm', released ?? '', pulled ?? '');
  const [repository = '', digest = ''] = image.split('@');
  const values = JSON.stringify(withRequired({ image: { repository, digest } }));
  const render = (chart: string): string => {
    const args = ['template', 'valetkey', chart, '--kube-version', KUBE_VERSION, '-f', '-'];
    const { status, stdout, stderr } = spawnSync(helm, args, { input: values, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return stdout;
  };
  const rendered = render(join(folder, archive));
  checkEqual('rendered chart', toSha256(render(CHART)), toSha256(rendered));
  if (!rendered.includes(`image: "${image}"`) && !rendered.includes(`image: ${image}`))
    throw new Error(`rendered chart: expected the image ${image}, got another one`);
};

/** Unpacks the plugin for this platform and runs it without Node on PATH, by a link, as krew installs it. */
const checkPlugin = (folder: string): void => {
  const archive = `kubectl-valetkey_${VERSION}_linux_amd64.tar.gz`;
  run('tar', ['-xzf', join(RELEASE, archive), '-C', folder]);
  const link = join(folder, 'link');
  run('ln', ['-s', join(folder, 'kubectl-valetkey'), link]);
  const { stdout } = spawnSync(link, ['--version'], {
    env: { PATH: '/usr/bin:/bin' },
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
  const { image } = checkPush(registry.address);
  checkPlatforms(image);
  checkChart(registry.address, image, folder);
  checkPlugin(folder);
  run(getProgramPath('actionlint'), []);
  console.log('ok workflows: actionlint');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  registry.stop();
  rmSync(folder, { recursive: true, force: true });
}
