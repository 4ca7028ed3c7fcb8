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
  /** `<what> in <file>`, for each place where one is that it must not be. */
  readonly leaks: readonly string[];
  /** Secrets that were not even where they belong: then the search itself proves nothing. */
  readonly missing: readonly string[];
};

/** Reads every file below a folder and looks for each secret, as it is and as URLs write it. */
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
