import { readFileSync, existsSync } from 'node:fs';
import { findSourceMap, SourceMap } from 'node:module';
import { basename, dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { computeMedian } from '../test/kit/statistics.ts';

/** A profile as V8 writes it (Chrome DevTools Protocol, Profiler.Profile). */
export type CpuProfile = {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
};

type ProfileNode = {
  readonly id: number;
  readonly children?: readonly number[];
  readonly callFrame: {
    readonly functionName: string;
    /** Path or `file:` URL of a bundle, `node:…`, or empty for code of V8 and Node. */
    readonly url: string;
    /** Both from 0. */
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
};

export type ModuleShare = { readonly module: string; readonly share: number };

/** Time in which the program waited. */
const WAITING = new Set(['(idle)', '(root)']);

/** Shares of CPU time by module, the largest first. Waiting does not count, also not for the CPU. */
export const computeShares = (
  profiles: readonly CpuProfile[],
  findModule: (frame: ProfileNode['callFrame']) => string,
): readonly ModuleShare[] => {
  const times = new Map<string, number>();
  for (const { nodes, samples, timeDeltas } of profiles) {
    const modules = listModules(nodes, findModule);
    // While another process has the CPU, a sample becomes as long as it waits.
    const longest = 2 * computeMedian(timeDeltas);
    for (const [index, id] of samples.entries()) {
      const module = modules.get(id);
      if (module === undefined) continue;
      times.set(module, (times.get(module) ?? 0) + Math.min(timeDeltas[index] ?? 0, longest));
    }
  }
  const all = [...times.values()].reduce((sum, time) => sum + time, 0);
  return [...times]
    .map(([module, time]) => ({ module, share: time / all }))
    .sort((one, other) => other.share - one.share);
};

/** The module of each node. What V8 and Node do natively counts for the module that calls it. */
const listModules = (
  nodes: readonly ProfileNode[],
  findModule: (frame: ProfileNode['callFrame']) => string,
): ReadonlyMap<number, string> => {
  const modules = new Map<number, string>();
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((c) => [c, id])));
  // A caller comes before what it calls.
  for (const { id, callFrame } of nodes) {
    const { functionName, url } = callFrame;
    if (WAITING.has(functionName)) continue;
    const isNative = url === '' && !functionName.startsWith('(');
    const caller = isNative ? modules.get(callers.get(id) ?? NaN) : undefined;
    modules.set(id, caller ?? findModule(callFrame));
  }
  return modules;
};

/**
 * Creates what finds the module of a function of a bundle, by the source map beside the bundle.
 *
 * @param root of the repository
 * @param options.hasFiles whether a module is a file, not a package
 */
export const createModuleFinder = (root: string, { hasFiles = false } = {}) => {
  const maps = new Map<string, SourceMap | undefined>();
  const readMap = (bundle: string): SourceMap | undefined => {
    if (!maps.has(bundle)) maps.set(bundle, loadMap(bundle));
    return maps.get(bundle);
  };
  return ({ functionName, url, lineNumber, columnNumber }: ProfileNode['callFrame']): string => {
    if (url === '') return functionName.startsWith('(') ? functionName : 'native';
    if (url.startsWith('node:')) return formatNodeModule(url);
    if (url.startsWith('wasm:')) return 'WebAssembly';
    const bundle = url.startsWith('file:') ? fileURLToPath(url) : url;
    const entry = readMap(bundle)?.findEntry(lineNumber, columnNumber);
    if (entry === undefined || !('originalSource' in entry)) return basename(bundle);
    const file = relative(root, resolve(dirname(bundle), entry.originalSource));
    return hasFiles ? file : formatModule(file);
  };
};

const loadMap = (bundle: string): SourceMap | undefined => {
  const known = findSourceMap(bundle);
  if (known !== undefined) return known;
  const file = `${bundle}.map`;
  if (!existsSync(file)) return undefined;
  type Payload = ConstructorParameters<typeof SourceMap>[0];
  return new SourceMap(JSON.parse(readFileSync(file, 'utf8')) as Payload);
};

const HTTP = /^_http|^http|^internal\/http/;
const SOCKETS =
  /^net$|^tls$|^_tls|^internal\/(?:tls|streams|stream_base)|^stream|^_stream|^events$/;

const formatNodeModule = (url: string): string => {
  const name = url.slice('node:'.length);
  if (HTTP.test(name)) return 'node:http';
  if (SOCKETS.test(name)) return 'node: sockets, TLS, streams';
  return `node:${name
    .replace(/^internal\//, '')
    .split('/')
    .slice(0, 1)
    .join('/')}`;
};

/** A package of npm, an edge, a package of the core, or a program. */
const formatModule = (path: string): string => {
  const npm = /node_modules\/(?<name>(?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path);
  if (npm?.groups?.['name'] !== undefined) return npm.groups['name'];
  const segments = path.split('/').slice(0, -1);
  return segments.slice(0, segments[1] === 'edge' ? 3 : 2).join('/');
};
