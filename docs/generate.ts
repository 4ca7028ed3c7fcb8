import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { admissionPage } from './admission.ts';
import { metricsPage } from './metrics.ts';
import { refusalsPage } from './refusals.ts';

/** The pages of docs/ that are written from the code. */
export const generatedPages: Record<string, () => string> = {
  'admission.md': admissionPage,
  'metrics.md': metricsPage,
  'refusals.md': refusalsPage,
};

/** Names of the pages that are not as the code would write them. */
export const stalePages = (folder = import.meta.dirname): string[] =>
  Object.entries(generatedPages)
    .filter(([name, write]) => read(join(folder, name)) !== write())
    .map(([name]) => name);

const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};

const main = (): void => {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  if (!values.check) {
    for (const [name, write] of Object.entries(generatedPages)) {
      writeFileSync(join(import.meta.dirname, name), write());
    }
    return;
  }
  const stale = stalePages();
  if (stale.length > 0) console.error(`not as generated, run \`make docs\`: ${stale.join(', ')}`);
  process.exitCode = stale.length === 0 ? 0 : 1;
};

if (import.meta.main) main();
