import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

import { getProgramPath } from '../../e2e/cluster/programs.ts';
import { readGuideBlocks } from '../../e2e/tests/guide/guide-blocks.ts';
import { VERSION } from '../../lib/contract/version.ts';
import { CHECKSUMS_FILE } from './build-release.ts';
import { RELEASE, type LocalRegistry } from './local-registry.ts';
import { ROOT } from './sources.ts';

/** The step of the workflow whose commands are run here. */
const STEP = 'Sign the image and the chart, attest the bill of materials and the provenance';

type Workflow = {
  readonly jobs: {
    readonly publish: {
      readonly steps: readonly { readonly name?: string; readonly run?: string }[];
    };
  };
};

const readSigningScript = (): string => {
  const text = readFileSync(join(ROOT, '.github/workflows/release.yml'), 'utf8');
  const { jobs } = parse(text) as Workflow;
  const script = jobs.publish.steps.find(({ name }) => name === STEP)?.run;
  if (script === undefined) throw new Error(`release.yml: expected a step "${STEP}", got none`);
  return script;
};

/** A certificate needs the identity of a workflow: only its two options are left out. */
const CERTIFICATE_OPTION = / \\\n\s+--certificate-[a-z-]+ \S+/g;

/** Commands of docs/release.md for the registry on this machine. */
const readVerification = (heading: string, { address }: LocalRegistry): string => {
  const block = readGuideBlocks('docs/release.md').find((each) => each.heading === heading);
  const text = block?.text ?? '';
  if (text.search(CERTIFICATE_OPTION) < 0)
    throw new Error(`docs/release.md, ${heading}: expected commands of cosign, got none`);
  return text
    .replaceAll(CERTIFICATE_OPTION, '')
    .replaceAll('ghcr.io/valetkey/', `${address}/`)
    .replaceAll(':0.1.0', `:${VERSION}`);
};

/** A cosign that signs and verifies with a key pair of `keys`, and without a transparency log. */
const writeCosign = (bin: string, keys: string): void => {
  mkdirSync(bin, { recursive: true });
  const script = `#!/bin/sh
set -eu
command=$1
shift
case "$command" in
  verify*) set -- --key "${keys}/cosign.pub" --insecure-ignore-tlog "$@" ;;
  *) set -- --key "${keys}/cosign.key" --tlog-upload=false "$@" ;;
esac
exec "${getProgramPath('cosign')}" "$command" "$@"
`;
  writeFileSync(join(bin, 'cosign'), script, { mode: 0o755 });
};

/** Links to the files of the release: signing writes beside them. */
const linkFiles = (folder: string): void => {
  mkdirSync(folder);
  for (const name of readdirSync(RELEASE))
    if (statSync(join(RELEASE, name)).isFile())
      symlinkSync(join(RELEASE, name), join(folder, name));
};

type Attempt = { readonly what: string; readonly script: string; readonly keys?: string };

/** Creates a function that runs a script in the folder of the files, with the keys of a name. */
const createRunner = (folder: string, registry: LocalRegistry) => {
  const files = join(folder, 'files');
  linkFiles(files);
  const settings = {
    ...{ HOME: folder, COSIGN_PASSWORD: '', GITHUB_REF_NAME: `v${VERSION}` },
    ...{ IMAGE: `${registry.address}/valetkey`, CHART: `${registry.address}/charts/valetkey` },
  };
  const env = { ...process.env, ...settings };
  for (const keys of ['own', 'foreign']) {
    mkdirSync(join(folder, keys));
    const options = { cwd: join(folder, keys), env } as const;
    spawnSync(getProgramPath('cosign'), ['generate-key-pair'], options);
    writeCosign(join(folder, keys, 'bin'), join(folder, keys));
  }
  return ({ script, keys = 'own' }: Attempt) =>
    spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: files,
      env: { ...env, PATH: `${join(folder, keys, 'bin')}:${process.env['PATH'] ?? ''}` },
      encoding: 'utf8',
    });
};

/**
 * Signs the release as the workflow does and verifies it as docs/release.md does, with a key instead of a certificate;
 * unsigned and changed content, and another key, must be refused. Needs jq.
 */
export const checkSignatures = (folder: string, registry: LocalRegistry): void => {
  const runScript = createRunner(folder, registry);
  const expectSuccess = (attempt: Attempt): void => {
    const { status, stderr } = runScript(attempt);
    if (status !== 0) throw new Error(`${attempt.what}: ${stderr}`);
    console.log(`ok ${attempt.what}`);
  };
  const expectRefusal = (attempt: Attempt, reason: string): void => {
    const { status, stderr } = runScript(attempt);
    if (status === 0 || !stderr.includes(reason))
      throw new Error(`${attempt.what}: expected "${reason}", got ${stderr || 'success'}`);
    console.log(`ok ${attempt.what} refused: ${reason}`);
  };
  const verification = readVerification('Verify and build a release', registry);
  const more = readVerification('Verify more', registry);
  expectRefusal({ what: 'image without a signature', script: verification }, 'no signatures found');
  expectSuccess({ what: 'signing step of the workflow', script: readSigningScript() });
  expectSuccess({ what: 'verification of the image', script: verification });
  expectSuccess({ what: 'verification of the rest', script: more });
  const foreign = { what: 'signature of another key', script: verification, keys: 'foreign' };
  expectRefusal(foreign, 'no matching signatures');
  const sums = join(folder, 'files', CHECKSUMS_FILE);
  const text = readFileSync(sums, 'utf8');
  rmSync(sums);
  writeFileSync(
    sums,
    text.replace(/^[0-9a-f]/, (digit) => (digit === '0' ? '1' : '0')),
  );
  expectRefusal({ what: 'changed list of checksums', script: more }, 'invalid signature');
};
