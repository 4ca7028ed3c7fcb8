import {
  PROTECTED_AUDIENCE_PREFIXES,
  PROTECTED_AUDIENCE_SUFFIXES,
  PROTECTED_AUDIENCES,
} from '../contract/names.ts';

/** Whether an identity mechanism of a cloud exchanges tokens of this audience for credentials. */
export const isCloudAudience = (audience: string): boolean => {
  const name = audience.toLowerCase();
  return (
    PROTECTED_AUDIENCES.includes(name) ||
    PROTECTED_AUDIENCE_PREFIXES.some((prefix) => name.startsWith(prefix)) ||
    PROTECTED_AUDIENCE_SUFFIXES.some((suffix) => name.endsWith(suffix))
  );
};
