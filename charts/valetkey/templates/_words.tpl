{{/* Names are fixed: two installations in one cluster would inject into the same pods. */}}
{{- define "valetkey.webhook" -}}valetkey-webhook{{- end }}
{{- define "valetkey.configuration" -}}valetkey{{- end }}
{{- define "valetkey.caSecret" -}}valetkey-webhook-ca{{- end }}
{{- define "valetkey.tlsSecret" -}}valetkey-webhook-tls{{- end }}
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

{{- define "valetkey.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "valetkey.ownCertificates" -}}
{{- if eq .Values.certificates.source "own" }}true{{ end -}}
{{- end }}

{{/* The platform's settings as lib/config reads them: what is empty here is left out there. */}}
{{- define "valetkey.platform" -}}
{{- $sidecar := pick .Values.sidecar "audience" "resources" }}
{{- $_ := set $sidecar "image" (include "valetkey.image" .) }}
{{- $_ := set $sidecar "imagePullPolicy" .Values.image.pullPolicy }}
{{- $accept := pick .Values.sidecar.accept "images" "env" }}
{{- with .Values.sidecar.accept.maxResources }}{{ $_ := set $accept "maxResources" . }}{{ end }}
{{- $_ := set $sidecar "accept" $accept }}
{{- $cloud := pick .Values.cloud "region" "allowHttp" "dialect" }}
{{- range $key := list "stsEndpoint" "caBundle" "httpsProxy" }}
{{- with index $.Values.cloud $key }}{{ $_ := set $cloud $key . }}{{ end }}
{{- end }}
{{- $bind := pick .Values.cloud.bind "mode" }}
{{- if eq $bind.mode "cidrs" }}{{ $_ := set $bind "cidrs" .Values.cloud.bind.cidrs }}{{ end }}
{{- if eq $bind.mode "vpc" }}{{ $_ := set $bind "vpcId" .Values.cloud.bind.vpcId }}{{ end }}
{{- $_ := set $cloud "bind" $bind }}
{{- toYaml (dict "trust" .Values.trust "sidecar" $sidecar "cloud" $cloud "tasks" .Values.tasks "pods" .Values.pods) }}
{{- end }}
