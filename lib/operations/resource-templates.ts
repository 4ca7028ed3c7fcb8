import type { CallInput } from './call-input.ts';
import { InputError } from './input-error.ts';
import { checkName, isArn, readArn, requireText, type ResourceScope } from './resource-names.ts';

/**
 * Reads the resources that a call names; every action of the call needs each of them.
 *
 * @returns undefined for a resource that the request does not say
 * @throws InputError where the service could take another resource than we read
 */
export type ReadResources = (
  input: CallInput,
  scope: ResourceScope,
) => readonly (string | undefined)[];

const SLOT = /\{([^}]+)\}/g;
const WHOLE = /^\{([^}]+)\}$/;

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Of a template without scope: `table/{body.TableName}` is `^table/.+$`. */
const toPattern = (resource: string): RegExp =>
  new RegExp(
    `^${resource
      .split(SLOT)
      .map((part, at) => (at % 2 === 1 ? '[^:]+' : escapeRegExp(part)))
      .join('')}$`,
  );

/** Services with an account of their own in the input: the role's, unless the request says another. */
const readAccount = (account: string, input: CallInput, scope: ResourceScope): string => {
  const place = /^\{account\|([^}]+)\}$/.exec(account)?.[1];
  const text = place === undefined ? undefined : input.readText(place);
  if (text === undefined) return account === '' ? '' : scope.account;
  if (!/^\d{12}$/.test(text)) throw new InputError(`expected an account in ${place ?? ''}`);
  return text;
};

/**
 * Compiles a template of an ARN (`operations.ts` in tools/build writes them):
 *
 * | template                                   | resource                                           |
 * | ------------------------------------------ | -------------------------------------------------- |
 * | `*`                                        | the action has no resources                        |
 * | `{body.ResourceArn}`                       | an ARN in this member                              |
 * | `athena:{region}:{account}:workgroup/{body.WorkGroup}` | a name, or such an ARN, in this member |
 * | `glue:{region}:{account\|body.CatalogId}:catalog` | the account of this member, else the role's  |
 *
 * The members are required ones: a call without them is refused, as the service does.
 */
export const compileTemplate = (template: string): ReadResources => {
  if (template === '*') return () => ['*'];
  const [, whole] = WHOLE.exec(template) ?? [];
  if (whole !== undefined) {
    return (input, scope) => {
      const text = requireText(input.readText(whole), whole);
      readArn(text, whole, scope);
      return [text];
    };
  }
  const [service = '', region = '', account = '', ...rest] = template.split(':');
  const resource = rest.join(':');
  const places = Array.from(resource.matchAll(SLOT), ([, place = '']) => place);
  const pattern = toPattern(resource);

  const readWhole = (text: string, place: string, scope: ResourceScope): string | undefined => {
    const arn = readArn(text, place, scope);
    const isExpected =
      arn.service === service &&
      (arn.region === '') === (region === '') &&
      pattern.test(arn.resource);
    if (!isExpected) throw new InputError(`expected a name in ${place}`);
    return places.length === 1 ? text : undefined;
  };

  return (input, scope) => {
    const names = new Map<string, string>();
    for (const place of places) {
      const text = requireText(input.readText(place), place);
      if (isArn(text)) return [places.length === 1 ? readWhole(text, place, scope) : undefined];
      // Some services split such texts further (`name:version`), in others it is part of an ID.
      if (text.includes(':')) return [undefined];
      if (places.length > 1 && text.includes('/')) {
        throw new InputError(`expected a name in ${place}`);
      }
      names.set(place, checkName(text, place));
    }
    const own = resource.replace(SLOT, (_, place: string) => names.get(place) ?? '');
    const [inRegion, inAccount] = [region && scope.region, readAccount(account, input, scope)];
    return [`arn:${scope.partition}:${service}:${inRegion}:${inAccount}:${own}`];
  };
};
