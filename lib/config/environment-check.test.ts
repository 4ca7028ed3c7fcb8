import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

import { checkEnvironment } from './environment-check.ts';
import { ENV_DENY_LIST, mayBeAddedToSidecar, NODE_VARIABLES } from './environment-review.ts';

const listDenied = (...names: readonly string[]): readonly string[] =>
  checkEnvironment(Object.fromEntries(names.map((name) => [name, '/evil.so']))).map(
    ({ path }) => path,
  );

describe('checkEnvironment', () => {
  it('returns the names of dangerous variables without their values', () => {
    const faults = checkEnvironment({ LD_PRELOAD: '/evil.so', NODE_OPTIONS: '-r x' });
    expect(faults.map(({ path }) => path)).toEqual(['LD_PRELOAD', 'NODE_OPTIONS']);
    expect(JSON.stringify(faults)).not.toMatch(/evil|-r x/);
  });

  it.each([
    ...['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_V8_COVERAGE', 'NODE_REDIRECT_WARNINGS'],
    ...['NODE_USE_SYSTEM_CA', 'NODE_USE_ENV_PROXY', 'NODE_TLS_REJECT_UNAUTHORIZED'],
    ...['NODE_TLS_OF_A_LATER_VERSION', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'SSLKEYLOGFILE'],
    ...['NODE_PATH', 'OPENSSL_CONF', 'OPENSSL_MODULES', 'OPENSSL_ENGINES', 'NODE_EXTRA_CA_CERTS'],
    ...['LD_PRELOAD', 'LD_LIBRARY_PATH', 'LD_AUDIT', 'GCONV_PATH', 'GLIBC_TUNABLES', 'HOSTALIASES'],
  ])('refuses %s', (name) => {
    expect(listDenied(name)).toEqual([name]);
  });

  it('accepts empty variables', () => {
    expect(checkEnvironment({ NODE_OPTIONS: '', LD_PRELOAD: undefined })).toEqual([]);
  });

  it('accepts what the kubelet sets for Services named ld and node-tls', () => {
    expect(
      listDenied('LD_PORT', 'LD_SERVICE_HOST', 'NODE_TLS_PORT', 'NODE_TLS_PORT_443_TCP_ADDR'),
    ).toEqual([]);
  });

  it('accepts what the injection template sets', () => {
    expect(listDenied('NODE_COMPILE_CACHE', 'UV_THREADPOOL_SIZE', 'MALLOC_ARENA_MAX')).toEqual([]);
  });
});

describe('mayBeAddedToSidecar', () => {
  it.each([...ENV_DENY_LIST, 'ssl_cert_file', 'AWS_REGION', 'VALETKEY_TASKS', 'UV_USE_IO_URING'])(
    'returns false for %s',
    (name) => {
      expect(mayBeAddedToSidecar(name)).toBe(false);
    },
  );

  it('returns true for a variable of a mesh', () => {
    expect(mayBeAddedToSidecar('ISTIO_META_CLUSTER_ID')).toBe(true);
  });
});

/** The Node that runs this test is the pinned one, which the image contains. */
const node = process.execPath;

/** The names under "Environment variables" of `node --help`. */
const listHelpVariables = (): readonly string[] => {
  const { stdout } = spawnSync(node, ['--help'], { encoding: 'utf8' });
  const section = stdout.slice(stdout.indexOf('Environment variables:'));
  return [...section.matchAll(/^([A-Z][A-Z0-9_]+)(\s|$)/gm)].flatMap(([, name]) => name ?? []);
};

/** The names under ENVIRONMENT of the manual, as documented. */
const listManualVariables = (): readonly string[] => {
  const manual = join(dirname(node), '..', 'share', 'man', 'man1', 'node.1');
  const text = readFileSync(manual, 'utf8');
  const section = text.slice(text.search(/^\.Sh ENVIRONMENT/m));
  return [...section.matchAll(/^\.It Ev ([A-Z][A-Z0-9_]+)/gm)].flatMap(([, name]) => name ?? []);
};

/** What Node's own modules read; the binary holds their source. */
const listModuleVariables = (): readonly string[] => {
  const source = readFileSync(node).toString('latin1');
  const found = source.matchAll(/process\.env(?:\.|\[['"])([A-Z][A-Z0-9_]+)/g);
  return [...new Set([...found].flatMap(([, name]) => name ?? []))];
};

describe('NODE_VARIABLES', () => {
  it.each([
    ['that node --help lists', listHelpVariables, 'NODE_V8_COVERAGE'],
    ["that Node's manual documents", listManualVariables, 'NODE_USE_SYSTEM_CA'],
    ["that Node's own modules read", listModuleVariables, 'NODE_TLS_REJECT_UNAUTHORIZED'],
  ])('has a reviewed effect for every variable %s', (_, list, sample) => {
    const names = list();
    expect(names).toContain(sample);
    expect(names.filter((name) => !Object.hasOwn(NODE_VARIABLES, name))).toEqual([]);
  });

  it('refuses NODE_OPTIONS, which alone passes options to a program', () => {
    expect(process.allowedNodeEnvironmentFlags.has('--require')).toBe(true);
    expect(ENV_DENY_LIST).toContain('NODE_OPTIONS');
  });

  it('names no variable that this Node does not know', () => {
    const known = new Set([
      ...listHelpVariables(),
      ...listManualVariables(),
      ...listModuleVariables(),
      // Read by native code, and not documented.
      'NODE_PRESERVE_SYMLINKS_MAIN',
    ]);
    expect(Object.keys(NODE_VARIABLES).filter((name) => !known.has(name))).toEqual([]);
  });
});
