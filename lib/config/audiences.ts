import { PROTECTED_AUDIENCE_PREFIXES, PROTECTED_AUDIENCES } from '../contract/names.ts';

/** Whether a cloud's identity mechanism trades tokens of this audience for credentials. */
export const isCloudAudience = (audience: string): boolean => {
  const name = audience.toLowerCase();
  return (
    PROTECTED_AUDIENCES.some((each) => each.toLowerCase() === name) ||
    PROTECTED_AUDIENCE_PREFIXES.some((prefix) => name.startsWith(prefix))
  );
};
