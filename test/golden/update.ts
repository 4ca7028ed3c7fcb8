import { writeGolden } from './files.ts';
import { SECTIONS } from './sections.ts';

/** Rewrites the golden files: all, or those that the arguments name. Read the difference. */
const names = process.argv.slice(2);
const chosen = SECTIONS.filter(([name]) => names.length === 0 || names.includes(name));

for (const [name, capture] of chosen) writeGolden(name, await capture());
console.log(`${chosen.length} golden files written`);
