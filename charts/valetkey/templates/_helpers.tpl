{{/* Names are fixed: two installations in one cluster would inject into the same pods. */}}
{{- define "valetkey.webhook" -}}valetkey-webhook{{- end }}
{{- define "valetkey.configuration" -}}valetkey{{- end }}
{{- define "valetkey.caSecret" -}}valetkey-webhook-ca{{- end }}
{{- define "valetkey.tlsSecret" -}}valetkey-webhook-tls{{- end }}
{{- define "valetkey.authority" -}}valetkey-authority{{- end }}
{{- define "valetkey.authorityCaSecret" -}}valetkey-authority-ca{{- end }}
{{- define "valetkey.keysSecret" -}}valetkey-authority-keys{{- end }}
{{- define "valetkey.auditSecret" -}}valetkey-authority-audit{{- end }}
{{- define "valetkey.platformConfigMap" -}}valetkey-platform{{- end }}

{{/* Words shared with the programs: generated from lib/contract, checked by `make test`. */}}
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

{{/* Absent (empty) under trust: cluster. */}}
{{- define "valetkey.hasAuthority" -}}
{{- if eq .Values.trust "authority" }}true{{ end -}}
{{- end }}

{{/* Where sidecars reach it: the name that its certificates are for. */}}
{{- define "valetkey.authorityEndpoint" -}}
https://{{ include "valetkey.authority" . }}.{{ .Release.Namespace }}.svc
{{- end }}

{{/* Of the projected token. Under trust: authority it must be one that no cloud accepts. */}}
{{- define "valetkey.audience" -}}
{{- $contract := include "valetkey.contract" . | fromJson }}
{{- .Values.sidecar.audience | default (ternary $contract.authority.audience "sts.amazonaws.com" (eq .Values.trust "authority")) -}}
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

{{/* The platform's settings as lib/config reads them: what is empty here is left out there. */}}
{{- define "valetkey.platform" -}}
{{- $sidecar := pick .Values.sidecar "resources" "imagePullSecrets" }}
{{- $_ := set $sidecar "audience" (include "valetkey.audience" .) }}
{{- $_ := set $sidecar "image" (include "valetkey.image" .) }}
{{- $_ := set $sidecar "imagePullPolicy" .Values.image.pullPolicy }}
{{- $allowedChanges := pick .Values.sidecar.allowedChanges "images" "env" }}
{{- with .Values.sidecar.allowedChanges.maxResources }}{{ $_ := set $allowedChanges "maxResources" . }}{{ end }}
{{- $_ := set $sidecar "allowedChanges" $allowedChanges }}
{{- $cloud := pick .Values.cloud "region" "allowHttp" "dialect" }}
{{- range $key := list "stsEndpoint" "caBundle" "httpsProxy" }}
{{- with index $.Values.cloud $key }}{{ $_ := set $cloud $key . }}{{ end }}
{{- end }}
{{- $restriction := pick .Values.cloud.sourceRestriction "mode" }}
{{- if eq $restriction.mode "cidrs" }}{{ $_ := set $restriction "cidrs" .Values.cloud.sourceRestriction.cidrs }}{{ end }}
{{- if eq $restriction.mode "vpc" }}{{ $_ := set $restriction "vpcId" .Values.cloud.sourceRestriction.vpcId }}{{ end }}
{{- $_ := set $cloud "sourceRestriction" $restriction }}
{{- $pods := omit .Values.pods "breakGlassGroup" }}
{{- with .Values.pods.breakGlassGroup }}{{ $_ := set $pods "breakGlassGroup" . }}{{ end }}
{{- $platform := dict "trust" .Values.trust "sidecar" $sidecar "cloud" $cloud "tasks" .Values.tasks "pods" $pods }}
{{- if include "valetkey.hasAuthority" . }}{{ $_ := set $platform "authority" (include "valetkey.authoritySettings" . | fromYaml) }}{{ end }}
{{- toYaml $platform }}
{{- end }}

{{- define "valetkey.authoritySettings" -}}
{{- $given := .Values.authority }}
{{- $endpoint := include "valetkey.authorityEndpoint" . }}
{{- $settings := pick $given "trustDomain" "cloudAudience" "algorithm" "tagParams" "users" "policyMaxStaleness" }}
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
{{- toYaml $settings }}
{{- end }}

{{/* The settings that CEL names, by the marks that stand for them in contract.json. */}}
{{- define "valetkey.celSettings" -}}
{{- $urls := list .Values.cloud.stsEndpoint .Values.cloud.httpsProxy }}
{{- if include "valetkey.hasAuthority" . }}{{ $urls = append $urls (include "valetkey.authorityEndpoint" .) }}{{ end }}
{{- $hosts := list }}
{{- range without $urls "" }}{{ $hosts = append $hosts ((urlParse .).hostname | lower) }}{{ end }}
{{- $audiences := list }}
{{- range .Values.pods.protectedAudiences }}{{ $audiences = append $audiences (lower .) }}{{ end }}
{{- $exemptions := list }}
{{- range .Values.pods.ruleExemptions }}{{ $exemptions = append $exemptions (printf "%s/%s" .namespace .rule) }}{{ end }}
{{- $isPlainHttp := and (not (include "valetkey.hasAuthority" .)) (hasPrefix "http:" .Values.cloud.stsEndpoint) }}
{{- dict "audience" (include "valetkey.audience" .) "protectedAudiences" $audiences "allowApiToken" .Values.pods.allowApiToken "hosts" ($hosts | sortAlpha) "isPlainHttp" $isPlainHttp "baselineNamespaces" .Values.pods.baselineNamespaces "exemptions" $exemptions "breakGlassGroup" .Values.pods.breakGlassGroup | toJson }}
{{- end }}

{{/* JSON of contract.json (`.json`) with the settings of the chart (`.root`) in place of their marks. */}}
{{- define "valetkey.withCelSettings" -}}
{{- $marks := (include "valetkey.contract" .root | fromJson).celMarks }}
{{- $json := .json }}
{{- range $name, $value := include "valetkey.celSettings" .root | fromJson }}
{{- $json = $json | replace (index $marks $name) ($value | toRawJson | toRawJson | trimPrefix "\"" | trimSuffix "\"") }}
{{- end }}
{{- $json }}
{{- end }}
