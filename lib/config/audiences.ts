import {
  OTHER_CLOUD_AUDIENCE_PREFIXES,
  OTHER_CLOUD_AUDIENCE_SUFFIXES,
  OTHER_CLOUD_AUDIENCES,
  PROTECTED_AUDIENCES,
} from '../contract/names.ts';

/** Whether an identity mechanism of a cloud exchanges tokens of this audience for credentials. */
export const isCloudAudience = (audience: string): boolean =>
  isAwsAudience(audience) || isOtherCloudAudience(audience);

/** Whether an identity mechanism of AWS does. */
export const isAwsAudience = (audience: string): boolean =>
  PROTECTED_AUDIENCES.includes(audience.toLowerCase());

/** Whether an identity mechanism of Azure or Google does. */
export const isOtherCloudAudience = (audience: string): boolean => {
  const name = audience.toLowerCase();
  return (
    OTHER_CLOUD_AUDIENCES.includes(name) ||
    OTHER_CLOUD_AUDIENCE_PREFIXES.some((prefix) => name.startsWith(prefix)) ||
    OTHER_CLOUD_AUDIENCE_SUFFIXES.some((suffix) => name.endsWith(suffix))
  );
};
