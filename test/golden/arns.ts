import { readResource } from './resource-parsers.ts';
import { RESOURCE_STRINGS } from './resource-strings.ts';
import { readRole } from './role-parsers.ts';
import { ROLE_STRINGS } from './role-strings.ts';

/** A long string under a short name that is still its own. */
const formatInputName = (text: string): string =>
  text.length <= 90 ? text : `${text.slice(0, 60)}… (${text.length} characters, ${text.slice(-6)})`;

export const captureRoles = (): object =>
  Object.fromEntries(ROLE_STRINGS.map((text) => [formatInputName(text), readRole(text)]));

export const captureResources = async (): Promise<object> =>
  Object.fromEntries(
    await Promise.all(
      RESOURCE_STRINGS.map(
        async (text) => [formatInputName(text), await readResource(text)] as const,
      ),
    ),
  );
