import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const folder = join(import.meta.dirname, '../../charts/valetkey/crds');
const files = globSync('*.yaml', { cwd: folder }).sort();

/** Reserved in CEL. Kubernetes 1.30 reads such a member only as `__namespace__`, newer ones as either. */
const RESERVED =
  /\.(?:as|break|const|continue|else|false|for|function|if|import|in|let|loop|namespace|null|package|return|true|void|while)\b/g;

describe('a rule of a custom resource', () => {
  it.each(files)('escapes the reserved words of CEL, for Kubernetes 1.30: %s', (file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const rules = text.split('\n').filter((line) => /\b(?:self|oldSelf)\b/.test(line));
    expect(rules.flatMap((line) => line.match(RESERVED) ?? [])).toEqual([]);
  });
});
