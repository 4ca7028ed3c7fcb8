{{/* Checks across values that the schema could refuse only without saying why. */}}
{{- define "valetkey.checkValues" -}}
{{- $endpoints := dict "cloud.stsEndpoint" .Values.cloud.stsEndpoint }}
{{- if include "valetkey.hasAuthority" . }}
{{- $_ := set $endpoints "authority.denyList.iamEndpoint" .Values.authority.denyList.iamEndpoint }}
{{- $_ := set $endpoints "authority.publisher.s3Endpoint" .Values.authority.publisher.s3Endpoint }}
{{- include "valetkey.checkIssuer" . }}
{{- end }}
{{- range $name, $url := $endpoints }}
{{- if and (hasPrefix "http:" $url) (not $.Values.cloud.allowHttp) }}
{{- fail (printf "%s: expected an https endpoint, or cloud.allowHttp: true, got %s" $name $url) }}
{{- end }}
{{- end }}
{{- end }}

{{/* AWS fetches the keys of the issuer from the internet. A private cloud may be in the cluster. */}}
{{- define "valetkey.checkIssuer" -}}
{{- $contract := include "valetkey.contract" . | fromJson }}
{{- $issuer := .Values.authority.issuer }}
{{- $host := "" }}
{{- if $issuer }}{{ $host = (urlParse $issuer).hostname | lower }}{{ end }}
{{- if and (eq .Values.cloud.dialect "aws") (or (not $host) (regexMatch $contract.authority.privateHost $host)) }}
{{- fail (printf "authority.issuer: expected an https URL that AWS reaches from the internet (docs/issuer.md), or cloud.dialect: s3 for a private cloud, got %s" ($issuer | default "nothing")) }}
{{- end }}
{{- end }}
