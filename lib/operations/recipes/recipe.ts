import type { CallInput } from '../call-input.ts';
import type { Permission } from '../operation.ts';
import type { ResourceScope } from '../resource-names.ts';
import type { ReadResources } from '../resource-templates.ts';

/** A recognized call, for the recipe of its operation. */
export type RecipeCall = {
  /** The IAM actions of the operation. */
  readonly actions: readonly string[];
  readonly input: CallInput;
  readonly scope: ResourceScope;
};

/** Lists what a call needs. @throws InputError where the service could read the request otherwise */
export type Recipe = (call: RecipeCall) => readonly Permission[];

/** Recipes by operation name. */
export type Recipes = Readonly<Record<string, Recipe>>;

/** Each action of the operation on each resource; `undefined` is a resource that the request does not say. */
export const each =
  (read: ReadResources): Recipe =>
  ({ actions, input, scope }) =>
    read(input, scope).flatMap((resource) =>
      actions.map((action) => ({ action, ...(resource === undefined ? {} : { resource }) })),
    );

/** One recipe for several operations. */
export const share = (recipe: Recipe, ...names: readonly string[]): Recipes =>
  Object.fromEntries(names.map((name) => [name, recipe]));

/** The actions on something that the request does not say: the session policy limits it. */
export const unresolved: Recipe = each(() => [undefined]);
