import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { NODE_PATH, PROGRAM_FOLDER } from '../lib/contract/paths.ts';
import type { ChildPlan } from './child-process.ts';
import { DEMO_PROGRAMS } from './demo-programs.ts';

/** One of the programs as its container starts it, with a home folder below the demo's folder. */
export const buildProgramPlan = (
  folder: string,
  program: {
    readonly name: string;
    readonly command: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  },
): ChildPlan => {
  const { name, command, env } = program;
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  return {
    name,
    command: command.map((part) =>
      part.replace(NODE_PATH, DEMO_PROGRAMS.node).replace(PROGRAM_FOLDER, DEMO_PROGRAMS.folder),
    ),
    env: { HOME: home, TMPDIR: home, NODE_OPTIONS: '', ...env },
    log: join(folder, 'logs', `${name}.log`),
    cwd: home,
  };
};
