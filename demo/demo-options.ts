import { parseArgs } from 'node:util';

export type DemoOptions = {
  readonly json: boolean;
  readonly keep: boolean;
  readonly help: boolean;
};

export const USAGE = `make demo, or: node demo/main.ts [--json] [--keep] [--help]

Valetkey's webhook and authority start against a small embedded API server; an annotated pod is
admitted, what the patch says is run as processes of this machine, and two consumers, ordinary
programs of the AWS SDK, get credentials for their own tasks and no other from a small embedded
cloud that trusts the authority alone. Policy refuses, a person revokes, and the records tell what
happened. No cluster, no root, no network.

  --json   print the table for machines, when it is over
  --keep   leave everything running and print what to try (make demo ARGS=--keep)
  --help   print this

Exits with 0 if every line came as expected, with 1 otherwise.`;

/** @throws Error that names the option which is not known */
export const parseOptions = (args: readonly string[]): DemoOptions => {
  const flag = { type: 'boolean', default: false } as const;
  const options = { json: flag, keep: flag, help: flag };
  return parseArgs({ args: [...args], options, allowPositionals: false }).values;
};
