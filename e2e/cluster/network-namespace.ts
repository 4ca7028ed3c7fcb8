import { existsSync, readlinkSync, statSync } from 'node:fs';
import { runCommand } from './command.ts';
import type { Output, RunOptions } from './command.ts';

/** Addresses of the node and of the issuers; both exist only in the cluster's network namespace. */
export const nodeAddress = '10.10.0.1';
export const issuerAddress = '10.10.0.2';

const bridge = 'vk0';

export function getNamespacePath(namespace: string): string {
  return `/run/netns/${namespace}`;
}

/** Creates a network namespace with a bridge that has both addresses, a default route and forwarding. */
export async function createNamespace(namespace: string): Promise<void> {
  await runCommand('ip', ['netns', 'add', namespace]);
  const commands = [
    'link set lo up',
    // The kernel may have no `dummy` device; a bridge without ports serves the same purpose.
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

/** Builds the command and arguments that run a program in the network namespace. */
export function buildEnterCommand(
  namespace: string,
  command: string,
  args: string[],
): [string, string[]] {
  return ['nsenter', [`--net=${getNamespacePath(namespace)}`, command, ...args]];
}

const insideByNamespace = new Map<string, boolean>();

/** Whether this process already runs in that network namespace; determined once. */
export function isInside(namespace: string): boolean {
  const known = insideByNamespace.get(namespace);
  if (known !== undefined) return known;
  const inside =
    readlinkSync('/proc/self/ns/net') === `net:[${statSync(getNamespacePath(namespace)).ino}]`;
  insideByNamespace.set(namespace, inside);
  return inside;
}

/** Runs a program in the network namespace; without one (external cluster), directly. */
export function runInside(
  namespace: string | undefined,
  command: string,
  args: string[],
  options: RunOptions = {},
): Promise<Output> {
  if (namespace === undefined || isInside(namespace)) return runCommand(command, args, options);
  return runCommand(...buildEnterCommand(namespace, command, args), options);
}
