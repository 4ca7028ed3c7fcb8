import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { CATALOG_BUNDLE } from '../catalog/catalog-bundle.ts';
import { POLICY_BUNDLE } from './cedar-bundle.ts';

const packageFolder = dirname(fileURLToPath(import.meta.url));
const cedar = dirname(createRequire(import.meta.url).resolve('@cedar-policy/cedar-wasm/nodejs'));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-policy-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const buildBundle = async (entry: string, outfile: string): Promise<void> => {
  const { define } = CATALOG_BUNDLE;
  const options = { bundle: true, platform: 'node', format: 'cjs' } as const;
  await build({ entryPoints: [entry], outfile, define, ...options });
};

describe('a CommonJS bundle', () => {
  it('loads Cedar from its own directory, with hardening flags and any working directory', async () => {
    const entry = join(folder, 'entry.ts');
    const program = `import { checkPolicy } from ${JSON.stringify(join(packageFolder, 'policy-findings.ts'))};
      const { policies } = checkPolicy({ name: 'any', cedar: 'permit (principal, action, resource);' });
      console.log(policies.join());`;
    writeFileSync(entry, program);
    for (const name of POLICY_BUNDLE.files) cpSync(join(cedar, name), join(folder, name));
    const outfile = join(folder, 'program.cjs');
    await buildBundle(entry, outfile);
    const flags = [
      '--disable-proto=delete',
      '--disallow-code-generation-from-strings',
      '--no-addons',
    ];
    const options = { cwd: tmpdir(), encoding: 'utf8' } as const;
    expect(execFileSync(process.execPath, [...flags, outfile], options)).toBe('any/0\n');
  }, 30_000);

  it('of the sidecar contains no part of Cedar', async () => {
    const outfile = join(folder, 'sidecar.cjs');
    await buildBundle(join(packageFolder, '../../cmd/sidecar/main.ts'), outfile);
    expect(readFileSync(outfile, 'utf8')).not.toContain('cedar_wasm');
  }, 30_000);
});
