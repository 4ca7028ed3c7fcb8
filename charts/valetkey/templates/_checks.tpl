{{/* Checks across values that the schema could refuse only without saying why. */}}
{{- define "valetkey.checkValues" -}}
{{- $endpoints := dict "cloud.stsEndpoint" .Values.cloud.stsEndpoint }}
{{- if include "valetkey.hasAuthority" . }}
{{- $_ := set $endpoints "authority.denyList.iamEndpoint" .Values.authority.denyList.iamEndpoint }}
{{- $_ := set $endpoints "authority.publisher.s3Endpoint" .Values.authority.publisher.s3Endpoint }}
{{- $_ := set $endpoints "authority.audit.export.endpoint" .Values.authority.audit.export.endpoint }}
{{- include "valetkey.checkIssuer" . }}
{{- include "valetkey.checkDiscovery" . }}
{{- include "valetkey.checkAuditExport" . }}
{{- include "valetkey.checkNotify" . }}
{{- end }}
{{- range $index, $endpoint := .Values.cloud.endpoints }}
{{- $_ := set $endpoints (printf "cloud.endpoints[%d].url" $index) $endpoint.url }}
{{- end }}
{{- include "valetkey.checkGateway" . }}
{{- if eq .Values.authority.secrets.namespace .Release.Namespace }}
{{- fail (printf "authority.secrets.namespace: expected another namespace than that of the release, whose Secrets hold the authority's own keys, got %s" .Release.Namespace) }}
{{- end }}
{{- if and (eq (.Values.policy.vend | default "") "exception") (not (include "valetkey.hasAuthority" .)) }}
{{- fail "policy.vend: expected free with trust: cluster, which has no TaskPolicies that could permit an exception, got exception" }}
{{- end }}
{{- include "valetkey.checkMonitor" . }}
{{- include "valetkey.checkWebhookPort" . }}
{{- include "valetkey.checkWebhookReplicas" . }}
{{- include "valetkey.checkIpFamilies" . }}
{{- include "valetkey.checkSecurityContext" . }}
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

{{/* Their host and path are those of the issuer. */}}
{{- define "valetkey.checkDiscovery" -}}
{{- $contract := include "valetkey.contract" . | fromJson }}
{{- $issuer := .Values.authority.issuer }}
{{- $host := "" }}
{{- if $issuer }}{{ $host = (urlParse $issuer).hostname | lower }}{{ end }}
{{- $discovery := .Values.authority.discovery }}
{{- range $way := list "ingress" "httpRoute" }}
{{- if and (index $discovery $way).enabled (or (not $host) (regexMatch "(^[0-9.]+$|:|\\.svc(\\.|$))" $host)) }}
{{- fail (printf "authority.issuer: expected an https URL with the host name at which authority.discovery.%s serves its documents, got %s" $way ($issuer | default "nothing")) }}
{{- end }}
{{- end }}
{{- if and $discovery.httpRoute.enabled (not $discovery.httpRoute.parentRefs) }}
{{- fail "authority.discovery.httpRoute.parentRefs: expected the Gateways of the route, for example [{name: public, namespace: gateways}], got none" }}
{{- end }}
{{- end }}

{{/* The bucket of the issuer's documents is public. */}}
{{- define "valetkey.checkAuditExport" -}}
{{- with .Values.authority.audit.export }}
{{- if .bucket }}
{{- if not $.Values.authority.publisher.role }}
{{- fail "authority.publisher.role: expected the role that may write the bucket of authority.audit.export, got nothing" }}
{{- end }}
{{- if eq .bucket $.Values.authority.publisher.bucket }}
{{- fail (printf "authority.audit.export.bucket: expected another bucket than that of authority.publisher, which is public, got %s" .bucket) }}
{{- end }}
{{- if not $.Values.authority.audit.file.enabled }}
{{- fail "authority.audit.file.enabled: expected true with authority.audit.export, because only files are exported, got false" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "valetkey.checkNotify" -}}
{{- with .Values.authority.approvals.notify }}
{{- if .url }}
{{- if not .secretName }}
{{- fail "authority.approvals.notify.secretName: expected the Secret whose key signs the calls of authority.approvals.notify.url, got nothing" }}
{{- end }}
{{- if not $.Values.authority.secrets.namespace }}
{{- fail (printf "authority.secrets.namespace: expected the namespace of the Secret %s (authority.approvals.notify.secretName), got nothing" .secretName) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "valetkey.checkGateway" -}}
{{- $cloud := .Values.cloud }}
{{- if and $cloud.regions (not (has $cloud.region $cloud.regions)) }}
{{- fail (printf "cloud.regions: expected a list with cloud.region (%s), which consumers use unless they set another, got %s" $cloud.region (join ", " $cloud.regions)) }}
{{- end }}
{{- with .Values.gateway }}
{{- if lt (int (trimSuffix "Mi" .buffers)) (int (trimSuffix "Mi" .maxBody)) }}
{{- fail (printf "gateway.buffers: expected at least gateway.maxBody (%s), got %s" .maxBody .buffers) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A monitor that no NetworkPolicy lets through would find no replica, and its absence is a critical alert. */}}
{{- define "valetkey.checkMonitor" -}}
{{- $policies := dict "webhook" .Values.networkPolicies.webhook }}
{{- if include "valetkey.hasAuthority" . }}{{ $_ := set $policies "authority" .Values.networkPolicies.authority }}{{ end }}
{{- range $component, $policy := $policies }}
{{- if and $.Values.monitoring.serviceMonitor.enabled $policy.enabled (not $policy.telemetryFrom) }}
{{- fail (printf "networkPolicies.%s.telemetryFrom: expected the peers from which Prometheus scrapes with monitoring.serviceMonitor.enabled, got none. Set them, for example [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]" $component) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "valetkey.checkWebhookPort" -}}
{{- $telemetry := int (include "valetkey.contract" . | fromJson).webhook.telemetryPort }}
{{- $port := int .Values.webhook.port }}
{{- if eq $port $telemetry }}
{{- fail (printf "webhook.port: expected another port than %d, that of metrics and probes" $telemetry) }}
{{- end }}
{{- if and .Values.webhook.hostNetwork (eq $port 10250) }}
{{- fail "webhook.port: expected another port than 10250 with webhook.hostNetwork, because the kubelet of every node has it, got 10250. Set for example 10260, and let the API server reach it on the nodes (docs/network-policies.md)" }}
{{- end }}
{{- end }}

{{- define "valetkey.checkWebhookReplicas" -}}
{{- with .Values.webhook.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "webhook.autoscaling.minReplicas: expected at most maxReplicas (%d), got %d" (int .maxReplicas) (int .minReplicas)) }}
{{- end }}
{{- if not (dig "requests" "cpu" "" $.Values.webhook.resources) }}
{{- fail "webhook.resources.requests.cpu: expected a request, of which webhook.autoscaling.targetCPUUtilizationPercentage is a share, got none" }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.webhook.strategy.rollingUpdate }}
{{- if and (has (toString .maxSurge) (list "0" "0%")) (has (toString .maxUnavailable) (list "0" "0%")) }}
{{- fail "webhook.strategy.rollingUpdate: expected maxSurge or maxUnavailable above 0, got 0 for both: no pod could be replaced" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "valetkey.checkIpFamilies" -}}
{{- with .Values.services }}
{{- if and (gt (len .ipFamilies) 1) (not (has .ipFamilyPolicy (list "PreferDualStack" "RequireDualStack"))) }}
{{- fail (printf "services.ipFamilyPolicy: expected PreferDualStack or RequireDualStack with two services.ipFamilies, got %s" (.ipFamilyPolicy | default "nothing, which is SingleStack")) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The schema checks the values of the permitted fields. */}}
{{- define "valetkey.checkSecurityContext" -}}
{{- $permitted := list "appArmorProfile" "fsGroupChangePolicy" "seLinuxOptions" "supplementalGroups" "supplementalGroupsPolicy" }}
{{- range $component := list "webhook" "authority" }}
{{- range $field := keys (index $.Values $component).securityContext | sortAlpha }}
{{- if not (has $field $permitted) }}
{{- fail (printf "%s.securityContext.%s: expected only %s. The chart sets the rest so that the program is never root, privileged or unconfined, and no value may weaken it" $component $field (join ", " $permitted)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
