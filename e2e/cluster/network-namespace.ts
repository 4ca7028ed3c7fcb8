import { existsSync, readlinkSync, statSync } from 'node:fs';
import { runCommand } from './command.ts';
import type { Output, RunOptions } from './command.ts';

/** The node's address, and the one at which issuers are served: both only in the cluster's namespace. */
export const nodeAddress = '10.10.0.1';
export const issuerAddress = '10.10.0.2';

const bridge = 'vk0';

export function getNamespacePath(namespace: string): string {
  return `/run/netns/${namespace}`;
}

/** A network namespace with a bridge that holds both addresses, a default route and forwarding. */
export async function createNamespace(namespace: string): Promise<void> {
  await runCommand('ip', ['netns', 'add', namespace]);
  const commands = [
    'link set lo up',
    // There may be no `dummy` device; a bridge without ports holds addresses just as well.
    `link add ${bridge} type bridge`,
    `addr add ${nodeAddress}/32 dev ${bridge}`,
    `addr add ${issuerAddress}/32 dev ${bridge}`,
    `link set ${bridge} up`,
    `route add default dev ${bridge}`,
  ];
  await runCommand('ip', ['-netns', namespace, '-batch', '-'], {
    input: commands.join('\n') + '\n',
  });
  await runCommand(
    ...buildEnterCommand(namespace, 'sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']),
  );
}

export async function deleteNamespace(namespace: string): Promise<void> {
  if (existsSync(getNamespacePath(namespace)))
    await runCommand('ip', ['netns', 'delete', namespace]);
}

/** The command and arguments that run a program in the namespace, whatever this process is in. */
export function buildEnterCommand(
  namespace: string,
  command: string,
  args: string[],
): [string, string[]] {
  return ['nsenter', [`--net=${getNamespacePath(namespace)}`, command, ...args]];
}

const insideByNamespace = new Map<string, boolean>();

/** Whether this process runs in that network namespace already; looked up once. */
export function isInside(namespace: string): boolean {
  const known = insideByNamespace.get(namespace);
  if (known !== undefined) return known;
  const inside =
    readlinkSync('/proc/self/ns/net') === `net:[${statSync(getNamespacePath(namespace)).ino}]`;
  insideByNamespace.set(namespace, inside);
  return inside;
}

/** Runs a program in the namespace; with no namespace (a foreign cluster), right here. */
export function runInside(
  namespace: string | undefined,
  command: string,
  args: string[],
  options: RunOptions = {},
): Promise<Output> {
  if (namespace === undefined || isInside(namespace)) return runCommand(command, args, options);
  return runCommand(...buildEnterCommand(namespace, command, args), options);
}
