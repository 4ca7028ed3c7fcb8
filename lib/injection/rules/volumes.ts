import { isAwsAudience, isOtherCloudAudience } from '../../config/audiences.ts';
import { API_AUDIENCES, TOKEN_VOLUME } from '../../contract/names.ts';
import type { Platform } from '../../contract/platform.ts';
import type { Volume } from '../../contract/pod.ts';
import { formatValue, type Expectation, type FieldError } from '../../schema/field-error.ts';
import { isApiTokenVolume } from '../api-token.ts';
import { listContainers, type PlacedContainer } from '../containers.ts';
import { NO_OTHER_AUDIENCE } from './other-clouds.ts';
import type { RuleCheck } from './rule.ts';

/** Rule 5: no access to the node's files, and no other token that a cloud or Valetkey accepts. */
export const checkVolumes: RuleCheck = (pod, { platform }) => [
  ...(pod.spec?.volumes ?? []).flatMap((volume, index) => {
    const path = `/spec/volumes/${index}`;
    return [
      ...checkNodeFiles(volume, path),
      ...checkTokens(volume, path, platform),
      ...(platform.pods.allowApiToken ? [] : checkApiCredentials(volume, path)),
    ];
  }),
  ...(platform.pods.allowApiToken ? [] : listContainers(pod).flatMap(checkTokenVariables)),
];

/** The kubelet fetches a gitRepo: git runs as root on the node. */
const NODE_SOURCES = ['hostPath', 'gitRepo'] as const;

const checkNodeFiles = (volume: Volume, path: string): readonly FieldError[] =>
  NODE_SOURCES.filter((source) => volume[source] !== undefined).map((source) => ({
    path: `${path}/${source}`,
    expected: `no ${source}`,
    got: formatValue(volume[source]),
  }));

/** Rule 2 compares the injected token volume and the volume of the API token. */
const checkTokens = (volume: Volume, path: string, platform: Platform): readonly FieldError[] =>
  volume.name === TOKEN_VOLUME
    ? []
    : (volume.projected?.sources ?? []).flatMap(({ serviceAccountToken }, index) => {
        if (serviceAccountToken === undefined) return [];
        const { audience = '' } = serviceAccountToken;
        const requirement = findAudienceRequirement(audience, platform);
        if (requirement === undefined || isCheckedByRule2(volume, audience)) return [];
        const at = `${path}/projected/sources/${index}/serviceAccountToken/audience`;
        const got = audience === '' ? 'nothing' : formatValue(audience);
        return [{ path: at, ...requirement, got }];
      });

/**
 * The name that Kubernetes gave to the token Secret of a service account until 1.24. Such a token is for
 * the API server, and it never expires.
 */
export const TOKEN_SECRET_NAME = '-token-[bcdfghjklmnpqrstvwxz2456789]{5}$';

/** The signer of client certificates with which a pod authenticates to the API server. */
export const API_CERTIFICATE_SIGNER = 'kubernetes.io/kube-apiserver-client-pod';

const checkApiCredentials = (volume: Volume, path: string): readonly FieldError[] => {
  const { secret, projected } = volume;
  const sources = projected?.sources ?? [];
  return [
    ...checkTokenSecret(secret?.secretName, `${path}/secret/secretName`),
    ...sources.flatMap((source, index) =>
      checkTokenSecret(source.secret?.name, `${path}/projected/sources/${index}/secret/name`),
    ),
    ...sources.flatMap(({ podCertificate }, index) =>
      podCertificate?.signerName === API_CERTIFICATE_SIGNER
        ? [
            {
              path: `${path}/projected/sources/${index}/podCertificate/signerName`,
              expected:
                'no certificate for the API server: the platform allows no API token in pods with tasks',
              got: formatValue(podCertificate.signerName),
            },
          ]
        : [],
    ),
  ];
};

/** A variable holds the same token as a file. */
const checkTokenVariables = ({ container, path }: PlacedContainer): readonly FieldError[] => [
  ...(container.env ?? []).flatMap(({ valueFrom }, index) =>
    checkTokenSecret(
      valueFrom?.secretKeyRef?.name,
      `${path}/env/${index}/valueFrom/secretKeyRef/name`,
    ),
  ),
  ...(container.envFrom ?? []).flatMap(({ secretRef }, index) =>
    checkTokenSecret(secretRef?.name, `${path}/envFrom/${index}/secretRef/name`),
  ),
];

const checkTokenSecret = (name: string | undefined, path: string): readonly FieldError[] =>
  new RegExp(TOKEN_SECRET_NAME).test(name ?? '')
    ? [
        {
          path,
          expected:
            'no token Secret of a service account: the platform allows no API token in pods with tasks',
          got: formatValue(name),
        },
      ]
    : [];

const isCheckedByRule2 = (volume: Volume, audience: string): boolean =>
  audience === '' && isApiTokenVolume(volume);

const findAudienceRequirement = (audience: string, platform: Platform): Expectation | undefined => {
  if (isProtectedAudience(audience, platform)) return NO_PROTECTED_AUDIENCE;
  if (isOtherCloudAudience(audience)) return NO_OTHER_AUDIENCE;
  return isApiAudience(audience) && !platform.pods.allowApiToken ? NO_API_AUDIENCE : undefined;
};

const NO_PROTECTED_AUDIENCE: Expectation = {
  expected: 'no audience whose token a cloud or Valetkey exchanges for credentials',
};
const NO_API_AUDIENCE: Expectation = {
  expected:
    "an audience that is not the API server's: the platform allows no API token in pods with tasks",
};

const isProtectedAudience = (audience: string, { sidecar, pods }: Platform): boolean =>
  isAwsAudience(audience) ||
  [sidecar.audience, ...pods.protectedAudiences].some(
    (each) => each.toLowerCase() === audience.toLowerCase(),
  );

const isApiAudience = (audience: string): boolean =>
  audience === '' || API_AUDIENCES.includes(audience.toLowerCase());
