import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../cluster/command.ts';
import type { Progress } from '../cluster/progress.ts';
import { listRunnableBlocks } from '../tests/guide/guide-blocks.ts';
import { CONSUMER_ENVIRONMENT } from './client-process.ts';
import type { ClientCommand } from './client-process.ts';
import { buildCacheKey, buildClients, buildInCache } from './client-builds.ts';

/** Pages of docs/guides about a language: each has a program for the default task, and one for a run with params. */
type GuideLanguage = 'javascript' | 'python' | 'go' | 'java';

/** What a page runs: its program for the default task, and that for a run with params. */
type GuidePrograms = { readonly read: ClientCommand; readonly startRun: ClientCommand };

const MINUTE_MS = 60_000;
const sources = import.meta.dirname;
const root = join(sources, '..', '..');

/** What a reader of the guide for Go writes around its function, which has neither imports nor `main`. */
const GO_START = `package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
)

`;
const GO_END = `
func main() {
	started, err := startRun("answer", map[string]string{"customer": "initech"})
	if err != nil {
		log.Fatal(err)
	}
	keys := started.Credentials
	json.NewEncoder(os.Stdout).Encode(map[string]any{"run": started.Run, "expiresAt": started.ExpiresAt, "credentials": keys})
}
`;

const readPrograms = (language: GuideLanguage): readonly [read: string, startRun: string] => {
  const [read, startRun, ...more] = listRunnableBlocks(`docs/guides/${language}.md`);
  if (read === undefined || startRun === undefined || more.length > 0)
    throw new Error(`docs/guides/${language}.md: expected two programs`);
  return [read.text, startRun.text];
};

/** Builds the programs of the guides that the cache does not have, each from the text of its page. */
export const buildGuidePrograms = async (
  progress: Progress,
): Promise<Record<GuideLanguage, GuidePrograms>> => {
  const clients = await buildClients(progress);
  return {
    javascript: buildScripts('javascript', process.execPath, ['--input-type=module', '--eval']),
    python: buildScripts('python', clients.boto3.command, ['-c']),
    go: await buildGoPrograms(progress),
    java: await buildJavaPrograms(progress, clients.java),
  };
};

const buildScripts = (
  language: GuideLanguage,
  command: string,
  args: readonly string[],
): GuidePrograms => {
  const [read, startRun] = readPrograms(language);
  return {
    read: { command, args: [...args, read] },
    startRun: { command, args: [...args, startRun] },
  };
};

const buildGoPrograms = async (progress: Progress): Promise<GuidePrograms> => {
  const [read, startRun] = readPrograms('go');
  const texts = { read, 'start-run': `${GO_START}${startRun}${GO_END}` };
  const modules = ['go.mod', 'go.sum'].map((name) => join(sources, 'go', name));
  const key = buildCacheKey(modules, JSON.stringify(texts));
  const folder = await buildInCache('guide-go', key, async (made) => {
    progress('building the programs of docs/guides/go.md (once)');
    for (const file of modules) copyFileSync(file, join(made, file.slice(-'go.mod'.length)));
    for (const [name, text] of Object.entries(texts)) {
      mkdirSync(join(made, name));
      writeFileSync(join(made, name, 'main.go'), text);
      const args = ['build', '-trimpath', '-o', join(made, name, 'program'), `./${name}`];
      const env = { CGO_ENABLED: '0', GOFLAGS: '' };
      await runCommand('go', args, { cwd: made, env, timeoutMs: 10 * MINUTE_MS });
    }
  });
  const program = (name: string): ClientCommand => ({
    command: join(folder, name, 'program'),
    args: [],
  });
  return { read: program('read'), startRun: program('start-run') };
};

/** Compiles both classes with the libraries of the client, and starts them as it does. */
const buildJavaPrograms = async (
  progress: Progress,
  { command, args }: ClientCommand,
): Promise<GuidePrograms> => {
  const [read, startRun] = readPrograms('java');
  const texts = { 'Agent.java': read, 'Runs.java': startRun };
  const libraries = args.at(-2) ?? '';
  const folder = await buildInCache(
    'guide-java',
    buildCacheKey([], JSON.stringify([texts, libraries])),
    async (made) => {
      progress('building the programs of docs/guides/java.md (once)');
      for (const [name, text] of Object.entries(texts)) writeFileSync(join(made, name), text);
      const files = Object.keys(texts).map((name) => join(made, name));
      await runCommand('javac', ['--release', '17', '-cp', libraries, '-d', made, ...files], {
        timeoutMs: 5 * MINUTE_MS,
      });
    },
  );
  const start = (name: string): ClientCommand => ({
    command,
    args: [...args.slice(0, -3), '-cp', `${folder}:${libraries}`, name],
  });
  return { read: start('Agent'), startRun: start('Runs') };
};

/** Runs a program of a guide to its end, in a consumer's environment. Returns its standard output. */
export const runGuideProgram = async (
  { command, args }: ClientCommand,
  env: Readonly<Record<string, string>>,
): Promise<string> => {
  const { stdout } = await runCommand(command, args, {
    // Where Node finds the SDK for JavaScript.
    cwd: root,
    env: { ...CONSUMER_ENVIRONMENT, PATH: process.env['PATH'] ?? '', ...env },
    timeoutMs: 2 * MINUTE_MS,
  });
  return stdout;
};
