import { toMapping } from '../schema/mapping.ts';
import { readService } from './action.ts';
import type { TaskProtocol } from '../contract/upstream.ts';
import { readPlaceholders } from './resource.ts';
import { isUpstreamProvider, PROVIDER_PROTOCOLS, readActionProtocol } from './upstream-actions.ts';
import { readResourceProtocol } from './upstream-resources.ts';

/** What is known of a declaration before it is read. Invalid parts are ignored. */
export type Prescan = {
  readonly provider: string;
  readonly role: string;
  /** Of a provider whose tasks name Upstreams: of the first action that names one of its protocols, or else of the first resource. */
  readonly protocol?: TaskProtocol;
  /** Absent: the platform's default applies, or it is not text. */
  readonly delivery?: string;
  /** Names of the params that it declares. */
  readonly params: ReadonlySet<string>;
  /** Names of the params that its resources use. */
  readonly placeholders: ReadonlySet<string>;
};

/** Scans a parsed declaration. */
export const prescanDeclaration = (value: unknown): Prescan => {
  const [role, delivery] = [getMember(value, 'role'), getMember(value, 'delivery')];
  const protocol = prescanProtocol(value);
  return {
    provider: prescanProvider(value),
    role: typeof role === 'string' ? role : '',
    ...(protocol !== undefined && { protocol }),
    ...(typeof delivery === 'string' && { delivery }),
    params: new Set(Object.keys(toMapping(getMember(value, 'params')))),
    placeholders: new Set(listResources(value).flatMap(readPlaceholders)),
  };
};

/** The provider that a declaration names; `aws` if it names none. */
const prescanProvider = (value: unknown): string => {
  const provider = getMember(value, 'provider');
  return typeof provider === 'string' ? provider : 'aws';
};

const prescanProtocol = (value: unknown): TaskProtocol | undefined => {
  const provider = prescanProvider(value);
  if (!isUpstreamProvider(provider)) return undefined;
  const known: readonly TaskProtocol[] = PROVIDER_PROTOCOLS[provider];
  return [
    ...listActions(value).map(readActionProtocol),
    ...listResources(value).map(readResourceProtocol),
  ].find((protocol) => protocol !== undefined && known.includes(protocol));
};

/** Lists the services of a declaration's actions, which the catalog has; invalid actions are ignored. */
export const prescanServices = (value: unknown): readonly string[] =>
  isUpstreamProvider(prescanProvider(value))
    ? []
    : listActions(value).flatMap((action) => readService(action) ?? []);

const listActions = (value: unknown): readonly unknown[] =>
  listStatements(value).flatMap((each) => toElements(getMember(each, 'actions')));

const listResources = (value: unknown): readonly string[] =>
  listStatements(value)
    .flatMap((each) => toElements(getMember(each, 'resources')))
    .filter((resource) => typeof resource === 'string');

const listStatements = (value: unknown): readonly unknown[] =>
  toElements(getMember(value, 'allow'));

const toElements = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const getMember = (value: unknown, name: string): unknown => toMapping(value)[name];
