/**
 * The fields of a Kubernetes Pod (core/v1) that Valetkey reads or writes. Patches are computed from
 * this view and applied to the raw object, so other fields survive.
 */
export type Pod = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
  readonly spec?: PodSpec;
};

export type ObjectMeta = {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};

export type PodSpec = {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly ephemeralContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly serviceAccountName?: string;
  /** Deprecated alias of `serviceAccountName`, which wins. */
  readonly serviceAccount?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly hostNetwork?: boolean;
  readonly shareProcessNamespace?: boolean;
  readonly os?: { readonly name: string };
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly affinity?: { readonly nodeAffinity?: NodeAffinity };
  readonly hostname?: string;
  readonly subdomain?: string;
  readonly dnsPolicy?: string;
  readonly dnsConfig?: {
    readonly nameservers?: readonly string[];
    readonly searches?: readonly string[];
  };
  /** Replaces the pod's own name in its `/etc/hosts` (Kubernetes 1.34 and later). */
  readonly hostnameOverride?: string;
  readonly hostAliases?: readonly {
    readonly ip?: string;
    readonly hostnames?: readonly string[];
  }[];
  readonly securityContext?: PodSecurityContext;
  readonly resources?: Resources;
  readonly imagePullSecrets?: readonly { readonly name?: string }[];
};

type NodeAffinity = {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: {
    readonly nodeSelectorTerms?: readonly NodeSelectorTerm[];
  };
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
    readonly preference?: NodeSelectorTerm;
  }[];
};

export type NodeSelectorTerm = { readonly matchExpressions?: readonly NodeSelectorRequirement[] };

export type NodeSelectorRequirement = {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
};

export type PodSecurityContext = {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot?: boolean;
  readonly fsGroup?: number;
  readonly supplementalGroups?: readonly number[];
  readonly seccompProfile?: SecurityProfile;
  readonly appArmorProfile?: SecurityProfile;
  readonly seLinuxOptions?: SeLinuxOptions;
  readonly sysctls?: readonly { readonly name: string; readonly value?: string }[];
  readonly windowsOptions?: unknown;
};

type SeLinuxOptions = {
  readonly type?: string;
  readonly user?: string;
  readonly role?: string;
  readonly level?: string;
};

export type SecurityProfile = { readonly type?: string; readonly localhostProfile?: string };

export type Container = {
  readonly name: string;
  readonly image?: string;
  readonly imagePullPolicy?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly envFrom?: readonly EnvFromSource[];
  readonly volumeMounts?: readonly VolumeMount[];
  readonly volumeDevices?: readonly { readonly name: string; readonly devicePath: string }[];
  readonly securityContext?: SecurityContext;
  readonly ports?: readonly ContainerPort[];
  readonly resources?: Resources;
  readonly restartPolicy?: string;
  readonly startupProbe?: Handler;
  readonly livenessProbe?: Handler;
  readonly readinessProbe?: Handler;
  readonly lifecycle?: { readonly postStart?: Handler; readonly preStop?: Handler };
  readonly resizePolicy?: unknown;
  readonly targetContainerName?: string;
};

/** A probe or hook that runs a command in the container. */
type Handler = {
  readonly exec?: { readonly command?: readonly string[] };
  readonly [other: string]: unknown;
};

/** All keys of a Secret or ConfigMap, as variables. */
export type EnvFromSource = {
  readonly prefix?: string;
  readonly secretRef?: { readonly name?: string };
  readonly configMapRef?: { readonly name?: string };
};

export type ContainerPort = {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: string;
};

export type EnvVar = {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: EnvVarSource;
};

export type EnvVarSource = {
  readonly fieldRef?: { readonly apiVersion?: string; readonly fieldPath: string };
  readonly fileKeyRef?: {
    readonly volumeName?: string;
    readonly path?: string;
    readonly key?: string;
  };
  readonly secretKeyRef?: KeyRef;
  readonly configMapKeyRef?: KeyRef;
  readonly resourceFieldRef?: unknown;
};

type KeyRef = { readonly name?: string; readonly key?: string };

export type VolumeMount = {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
  readonly recursiveReadOnly?: string;
  readonly subPath?: string;
  readonly subPathExpr?: string;
  readonly mountPropagation?: string;
};

export type SecurityContext = {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot?: boolean;
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly procMount?: string;
  readonly seccompProfile?: SecurityProfile;
  readonly appArmorProfile?: SecurityProfile;
  readonly seLinuxOptions?: SeLinuxOptions;
  readonly windowsOptions?: unknown;
};

export type Resources = {
  readonly requests?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, string>>;
};

export type Volume = {
  readonly name: string;
  readonly hostPath?: unknown;
  readonly gitRepo?: unknown;
  readonly secret?: { readonly secretName?: string };
  readonly configMap?: { readonly name?: string };
  readonly emptyDir?: { readonly medium?: string; readonly sizeLimit?: string };
  readonly projected?: {
    readonly defaultMode?: number;
    readonly sources?: readonly ProjectedSource[];
  };
};

export type ProjectedSource = {
  readonly serviceAccountToken?: {
    readonly audience?: string;
    readonly expirationSeconds?: number;
    readonly path: string;
  };
  readonly secret?: { readonly name?: string };
  readonly configMap?: { readonly name?: string };
  readonly podCertificate?: { readonly signerName?: string };
  readonly [other: string]: unknown;
};
