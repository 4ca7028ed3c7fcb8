import { parseArgs } from 'node:util';

export type DemoOptions = {
  readonly json: boolean;
  readonly keep: boolean;
  readonly help: boolean;
};

export const USAGE = `make demo, or: node demo/main.ts [--json] [--keep] [--help]

Show Valetkey without a cluster, root or a network. The webhook and the authority run against an
embedded API server. A pod with tasks is admitted; its patched containers run as processes on this
machine. Two consumers, programs with the AWS SDK, get credentials for only their own tasks from an
embedded cloud that trusts only the authority. Policy denies a run, a user revokes another, and the
audit records show what happened.

  --json   print the table as JSON at the end
  --keep   keep everything running and print commands to try (make demo ARGS=--keep)
  --help   print this help

Exit status 0: every line matches its expectation; otherwise 1.`;

/** @throws Error that names the unknown option */
export const parseOptions = (args: readonly string[]): DemoOptions => {
  const flag = { type: 'boolean', default: false } as const;
  const options = { json: flag, keep: flag, help: flag };
  return parseArgs({ args: [...args], options, allowPositionals: false }).values;
};
