import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { listEchoForms } from '../../lib/calls/echo-forms.ts';
import { ignoreMissing, listFilesBelow } from '../../test/kit/files.ts';

const BLOCK_BYTES = 4 * 1024 * 1024;

export type SearchedSecret = { readonly name: string; readonly text: string };

/**
 * Creates a function that names the secrets that bytes hold: as text, base64, URL-encoded, as JSON or in
 * hexadecimal.
 */
export const createSecretSearch = (secrets: readonly SearchedSecret[]) => {
  const forms = secrets.map(({ name, text }) => ({ name, forms: listEchoForms(text) }));
  const longest = Math.max(...forms.flatMap((secret) => secret.forms.map(({ length }) => length)));

  const findSecrets = (content: Buffer | string): readonly string[] => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    return forms
      .filter((secret) => secret.forms.some((form) => bytes.includes(form)))
      .map(({ name }) => name);
  };

  /** Blocks overlap, so that no secret is missed at the border of two. */
  const findInFile = (file: string): readonly string[] => {
    const descriptor = openSync(file, 'r');
    const block = Buffer.alloc(BLOCK_BYTES + longest);
    const found = new Set<string>();
    try {
      for (let at = 0; ; at += BLOCK_BYTES) {
        const length = readSync(descriptor, block, 0, block.length, at);
        for (const name of findSecrets(block.subarray(0, length))) found.add(name);
        if (length <= BLOCK_BYTES) return [...found];
      }
    } finally {
      closeSync(descriptor);
    }
  };

  return {
    findSecrets,
    /**
     * Searches the files below a folder that were written since a time: what was planted then is in no
     * older one. Empty files are omitted, among them the namespaces of processes, which cannot be read.
     *
     * @returns how many files were searched, and `<secret> in <file>`
     */
    searchFolder: (folder: string, sinceMs: number) => {
      const files = listFilesBelow(folder).filter((file) => {
        const status = ignoreMissing(() => statSync(file));
        return status !== undefined && status.size > 0 && status.mtimeMs >= sinceMs;
      });
      const found = files.flatMap((file) =>
        (ignoreMissing(() => findInFile(file)) ?? []).map((name) => `${name} in ${file}`),
      );
      return { files: files.length, found };
    },
  };
};
