{{/* The names are fixed, because two installations in one cluster would inject into the same pods. */}}
{{- define "valetkey.webhook" -}}valetkey-webhook{{- end }}
{{- define "valetkey.configuration" -}}valetkey{{- end }}
{{- define "valetkey.caSecret" -}}valetkey-webhook-ca{{- end }}
{{- define "valetkey.tlsSecret" -}}valetkey-webhook-tls{{- end }}
{{- define "valetkey.authority" -}}valetkey-authority{{- end }}
{{- define "valetkey.authorityCaSecret" -}}valetkey-authority-ca{{- end }}
{{- define "valetkey.keysSecret" -}}valetkey-authority-keys{{- end }}
{{- define "valetkey.auditSecret" -}}valetkey-authority-audit{{- end }}
{{- define "valetkey.platformConfigMap" -}}valetkey-platform{{- end }}
{{- define "valetkey.policyParameters" -}}valetkey-policy-parameters{{- end }}

{{/* Constants shared with the programs: generated from lib/contract, checked by `make test`. */}}
{{- define "valetkey.contract" -}}
{{- .Files.Get "contract.json" -}}
{{- end }}

{{- define "valetkey.selector" -}}
app.kubernetes.io/name: valetkey
app.kubernetes.io/component: webhook
{{- end }}

{{- define "valetkey.labels" -}}
{{ include "valetkey.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "valetkey.authoritySelector" -}}
app.kubernetes.io/name: valetkey
app.kubernetes.io/component: authority
{{- end }}

{{- define "valetkey.authorityLabels" -}}
{{ include "valetkey.authoritySelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* Of both Services. */}}
{{- define "valetkey.ipFamilies" -}}
{{- with .Values.services.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.services.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Empty (false) with trust: cluster. */}}
{{- define "valetkey.hasAuthority" -}}
{{- if eq .Values.trust "authority" }}true{{ end -}}
{{- end }}

{{/* The authority's address for sidecars. Its certificates are issued for this name. */}}
{{- define "valetkey.authorityEndpoint" -}}
https://{{ include "valetkey.authority" . }}.{{ .Release.Namespace }}.svc
{{- end }}

{{/* Audience of the projected token. With trust: authority, no cloud may accept it. */}}
{{- define "valetkey.audience" -}}
{{- $contract := include "valetkey.contract" . | fromJson }}
{{- .Values.sidecar.audience | default (ternary $contract.authority.audience "sts.amazonaws.com" (eq .Values.trust "authority")) -}}
{{- end }}

{{/*
Ports of what the authority calls besides the API server, as a JSON list. A proxy replaces the cloud's endpoints, unless
some hosts are reached without it; the issuers' documents are fetched directly. The issuer in the cluster is the
authority itself.
*/}}
{{- define "valetkey.cloudPorts" -}}
{{- $given := .Values.authority }}
{{- $endpoints := list }}
{{- with .Values.cloud.httpsProxy }}{{ $endpoints = append $endpoints . }}{{ end }}
{{- if or (not .Values.cloud.httpsProxy) .Values.cloud.noProxy }}
{{- $endpoints = append $endpoints .Values.cloud.stsEndpoint }}
{{- if $given.denyList.roles }}{{ $endpoints = append $endpoints $given.denyList.iamEndpoint }}{{ end }}
{{- if $given.publisher.bucket }}{{ $endpoints = append $endpoints $given.publisher.s3Endpoint }}{{ end }}
{{- if $given.audit.export.bucket }}{{ $endpoints = append $endpoints $given.audit.export.endpoint }}{{ end }}
{{- end }}
{{- if and $given.issuer (not (hasPrefix (include "valetkey.authorityEndpoint" .) $given.issuer)) }}
{{- $endpoints = append $endpoints $given.issuer }}
{{- end }}
{{- range $given.users.issuers }}{{ $endpoints = append $endpoints .jwksUri }}{{ end }}
{{- range $given.signals.transmitters }}{{ $endpoints = append $endpoints .jwksUri }}{{ end }}
{{- $ports := list }}
{{- range $endpoints }}{{ $ports = append $ports (include "valetkey.urlPort" .) }}{{ end }}
{{- range .Values.networkPolicies.authority.cloud.ports }}{{ $ports = append $ports (toString .) }}{{ end }}
{{- $ports | uniq | toJson }}
{{- end }}

{{/* Port of an http or https URL. Without a URL: 443, that of AWS. */}}
{{- define "valetkey.urlPort" -}}
{{- $port := "" }}
{{- if . }}{{ $port = regexFind "[0-9]+$" (regexFind ":[0-9]+$" (urlParse .).host) }}{{ end }}
{{- $port | default (ternary "80" "443" (hasPrefix "http:" .)) -}}
{{- end }}

{{/* Variables of tracing, by the names of OpenTelemetry. */}}
{{- define "valetkey.tracingEnv" -}}
{{- $env := (include "valetkey.contract" . | fromJson).tracingEnvironment }}
{{- with .Values.tracing }}
{{- if .endpoint }}
- name: {{ $env.endpoint }}
  value: {{ .endpoint | quote }}
- name: {{ $env.samplerRatio }}
  value: {{ .samplerRatio | toString | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Egress to the collector of spans. */}}
{{- define "valetkey.tracingEgress" -}}
{{- with .Values.tracing.endpoint }}
# The collector of spans.
- ports:
    - { port: {{ include "valetkey.urlPort" . }}, protocol: TCP }
{{- end }}
{{- end }}

{{/* Extra volumes of a component, under names of their own, and their read-only mounts. */}}
{{- define "valetkey.extraVolumes" -}}
{{- range . }}
- name: extra-{{ .name }}
  {{- pick . "configMap" "secret" | toYaml | nindent 2 }}
{{- end }}
{{- end }}

{{- define "valetkey.extraVolumeMounts" -}}
{{- range . }}
- name: extra-{{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "valetkey.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "valetkey.selfSignedCertificates" -}}
{{- if eq .Values.certificates.source "self-signed" }}true{{ end -}}
{{- end }}

{{/*
Defaults of tasks.delivery and policy.vend, as JSON. The first that exists:
1. what the installation has, in its ConfigMap. A chart without these settings meant vend and free.
2. of an upgrade whose ConfigMap is not readable (no cluster, a dry run of the client): vend and free.
3. newInstallation of contract.json.
Without policies, nothing could permit an exception.
*/}}
{{- define "valetkey.deliveryDefaults" -}}
{{- $older := dict "delivery" "vend" "vend" "free" }}
{{- $defaults := $older }}
{{- if not .Release.IsUpgrade }}{{ $defaults = (include "valetkey.contract" . | fromJson).newInstallation }}{{ end }}
{{- $name := include "valetkey.platformConfigMap" . }}
{{- with lookup "v1" "ConfigMap" .Release.Namespace $name }}
{{- $live := dig "data" "platform.yaml" "" . | fromYaml }}
{{- if or $live.Error (not $live) }}
{{- fail (printf "tasks.delivery, policy.vend: expected to keep those of ConfigMap %s/%s, but its platform.yaml cannot be read. Set both values" $.Release.Namespace $name) }}
{{- end }}
{{- $defaults = dict "delivery" (dig "tasks" "delivery" $older.delivery $live) "vend" (dig "policy" "vend" $older.vend $live) }}
{{- end }}
{{- if not (include "valetkey.hasAuthority" .) }}{{ $defaults = set (deepCopy $defaults) "vend" "free" }}{{ end }}
{{- $defaults | toJson }}
{{- end }}

{{/* The platform settings in the format of lib/config, without empty values. */}}
{{- define "valetkey.platform" -}}
{{- $accounts := .Values.tasks.accountIds }}
{{- if and (eq .Values.cloud.dialect "aws") (not $accounts) }}
{{- fail "tasks.accountIds: expected the accounts of the roles that tasks may name, got none. Set them, for example --set-string 'tasks.accountIds={111122223333}'. With '*' tasks may name a role in any account that trusts your issuer, including accounts of others, and send data there." }}
{{- end }}
{{- if and (eq .Values.cloud.dialect "s3") (without $accounts "*") }}
{{- fail "tasks.accountIds: expected no accounts with cloud.dialect: s3, whose roles have none: remove them, or every task is refused" }}
{{- end }}
{{- if and (has "*" $accounts) (gt (len $accounts) 1) }}
{{- fail "tasks.accountIds: expected '*' alone, or accounts of 12 digits" }}
{{- end }}
{{- $sidecar := pick .Values.sidecar "resources" "imagePullSecrets" }}
{{- $_ := set $sidecar "audience" (include "valetkey.audience" .) }}
{{- $_ := set $sidecar "image" (include "valetkey.image" .) }}
{{- $_ := set $sidecar "imagePullPolicy" .Values.image.pullPolicy }}
{{- $allowedChanges := pick .Values.sidecar.allowedChanges "images" "env" }}
{{- with .Values.sidecar.allowedChanges.maxResources }}{{ $_ := set $allowedChanges "maxResources" . }}{{ end }}
{{- $_ := set $sidecar "allowedChanges" $allowedChanges }}
{{- if and .Values.tracing.endpoint .Values.tracing.sidecars }}{{ $_ := set $sidecar "tracing" (pick .Values.tracing "endpoint" "samplerRatio") }}{{ end }}
{{- $cloud := pick .Values.cloud "region" "allowHttp" "dialect" }}
{{- range $key := list "stsEndpoint" "caBundle" "httpsProxy" "noProxy" "regions" "endpoints" }}
{{- with index $.Values.cloud $key }}{{ $_ := set $cloud $key . }}{{ end }}
{{- end }}
{{- $restriction := pick .Values.cloud.sourceRestriction "mode" }}
{{- if eq $restriction.mode "cidrs" }}{{ $_ := set $restriction "cidrs" .Values.cloud.sourceRestriction.cidrs }}{{ end }}
{{- if eq $restriction.mode "vpc" }}{{ $_ := set $restriction "vpcId" .Values.cloud.sourceRestriction.vpcId }}{{ end }}
{{- $_ := set $cloud "sourceRestriction" $restriction }}
{{- $pods := omit .Values.pods "breakGlassGroup" }}
{{- with .Values.pods.breakGlassGroup }}{{ $_ := set $pods "breakGlassGroup" . }}{{ end }}
{{- $defaults := include "valetkey.deliveryDefaults" . | fromJson }}
{{- $tasks := omit .Values.tasks "delivery" }}
{{- $_ := set $tasks "delivery" (.Values.tasks.delivery | default $defaults.delivery) }}
{{- $policy := dict "vend" (.Values.policy.vend | default $defaults.vend) }}
{{- $platform := dict "trust" .Values.trust "sidecar" $sidecar "cloud" $cloud "tasks" $tasks "gateway" .Values.gateway "policy" $policy "pods" $pods }}
{{- if include "valetkey.hasAuthority" . }}{{ $_ := set $platform "authority" (include "valetkey.authoritySettings" . | fromYaml) }}{{ end }}
{{- toYaml $platform }}
{{- end }}

{{- define "valetkey.authoritySettings" -}}
{{- $given := .Values.authority }}
{{- $endpoint := include "valetkey.authorityEndpoint" . }}
{{- $settings := pick $given "trustDomain" "cloudAudience" "algorithm" "tagParams" "users" "policyMaxStaleness" "delegableRoles" "canaries" "signals" }}
{{- $approvals := omit $given.approvals "notify" }}
{{- with $given.approvals.notify }}
{{- if .url }}
{{- $notify := pick . "url" "secretName" }}
{{- with .caBundle }}{{ $_ := set $notify "caBundle" . }}{{ end }}
{{- $_ := set $approvals "notify" $notify }}
{{- end }}
{{- end }}
{{- $_ := set $settings "approvals" $approvals }}
{{- $_ := set $settings "endpoint" $endpoint }}
{{- $_ := set $settings "issuer" ($given.issuer | default $endpoint) }}
{{- with $given.disconnectTimeout }}{{ $_ := set $settings "disconnectTimeout" . }}{{ end }}
{{- if $given.denyList.roles }}
{{- $denyList := pick $given.denyList "revokerRole" "roles" }}
{{- with $given.denyList.iamEndpoint }}{{ $_ := set $denyList "iamEndpoint" . }}{{ end }}
{{- $_ := set $settings "denyList" $denyList }}
{{- end }}
{{- if $given.publisher.bucket }}
{{- $publisher := pick $given.publisher "role" "bucket" "prefix" }}
{{- with $given.publisher.s3Endpoint }}{{ $_ := set $publisher "s3Endpoint" . }}{{ end }}
{{- $_ := set $settings "publisher" $publisher }}
{{- end }}
{{- with $given.audit.export }}
{{- if .bucket }}
{{- $export := pick . "bucket" "prefix" }}
{{- $_ := set $export "role" $given.publisher.role }}
{{- with .endpoint }}{{ $_ := set $export "endpoint" . }}{{ end }}
{{- with .region }}{{ $_ := set $export "region" . }}{{ end }}
{{- $_ := set $settings "auditExport" $export }}
{{- end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}
