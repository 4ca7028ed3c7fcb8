import { readFileSync } from 'node:fs';
import { listFilesBelow } from '../test/kit/files.ts';

/** A text that only files below `allowedFolder` may contain; without that folder, no file may. */
export type Secret = {
  readonly description: string;
  readonly text: string;
  readonly allowedFolder?: string;
};

export type SearchResult = {
  readonly files: number;
  /** `<name> in <file>`, for each file that must not contain the secret. */
  readonly leaks: readonly string[];
  /** Secrets that were not found in their allowed folder either, so that the search proves nothing. */
  readonly missing: readonly string[];
};

/** Searches every file below a folder for each secret, verbatim and URL-encoded. */
export const searchSecrets = (folder: string, secrets: readonly Secret[]): SearchResult => {
  const files = listFilesBelow(folder);
  const found = files.flatMap((file) => {
    const content = readFileSync(file, 'latin1');
    return secrets
      .filter((secret) => containsSecret(content, secret))
      .map((secret) => ({ file, secret }));
  });
  const isHome = ({ file, secret }: (typeof found)[number]): boolean =>
    secret.allowedFolder !== undefined && file.startsWith(`${secret.allowedFolder}/`);
  return {
    files: files.length,
    leaks: found
      .filter((one) => !isHome(one))
      .map(({ file, secret }) => `${secret.description} in ${file}`),
    missing: secrets
      .filter(({ allowedFolder }) => allowedFolder !== undefined)
      .filter((secret) => !found.some((one) => one.secret === secret && isHome(one)))
      .map(({ description }) => description),
  };
};

const containsSecret = (content: string, { text }: Secret): boolean =>
  content.includes(text) || content.includes(encodeURIComponent(text));
