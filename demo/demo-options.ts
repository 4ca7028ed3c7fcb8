import { parseArgs } from 'node:util';

export type DemoOptions = {
  readonly json: boolean;
  readonly keep: boolean;
  readonly help: boolean;
};

export const USAGE = `make demo, or: node demo/main.ts [--json] [--keep] [--help]

Show Valetkey without a cluster, root or the internet. The webhook and the authority run against an
embedded API server. A pod with tasks is admitted; its patched containers run as processes on this
machine. The agent's tasks are signed: the AWS SDK in it works, and no key of the cloud is in its
process. The gateway refuses what is outside its tasks, the cloud refuses what bypasses the gateway,
and a Revocation cuts its upload. A person approves one run and one write of it, and another agent
reads for it until its run ends. The helper gets keys of the cloud by a dated exception. The audit
records show what happened.

The embedded cloud listens on an IPv4 address of this machine, because the gateway sends nothing to
loopback. Everything else listens on loopback.

  --json   print the table as JSON at the end
  --keep   keep everything running and print commands to try (make demo ARGS=--keep)
  --help   print this help

Exit status 0: every line matches its expectation; otherwise 1.
After a signal: 130 for SIGINT, 143 for SIGTERM.`;

/** @throws Error that names the unknown option */
export const parseOptions = (args: readonly string[]): DemoOptions => {
  const flag = { type: 'boolean', default: false } as const;
  const options = { json: flag, keep: flag, help: flag };
  return parseArgs({ args: [...args], options, allowPositionals: false }).values;
};
