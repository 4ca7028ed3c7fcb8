{{/*
YAML that several admission policies share. Expressions are CEL as the API server reads them; settings are
read from `params`, the ConfigMap of parameters.yaml. Constants repeat lib/contract and lib/injection:
tools/chart/admission-policy-faults.ts compares them.
*/}}

{{/* Where a policy finds its settings. */}}
{{- define "valetkey.policyParamKind" -}}
paramKind:
  apiVersion: v1
  kind: ConfigMap
{{- end }}

{{/* Binds policy `.name` everywhere. With `.hasParams` a request is denied while its settings are missing. */}}
{{- define "valetkey.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "valetkey.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  {{- if .hasParams }}
  paramRef:
    name: {{ include "valetkey.policyParameters" .root }}
    namespace: {{ .root.Release.Namespace }}
    parameterNotFoundAction: Deny
  {{- end }}
  validationActions: [Deny]
{{- end }}

{{/*
Selects the pods that Valetkey checks, before or after a change: the same as lib/injection/webhook-scope.ts.
`.audience` is a CEL expression; empty: tokens are not looked at.
*/}}
{{- define "valetkey.isInScope" -}}
[object, oldObject].exists(pod, pod != null && (
  pod.metadata.?annotations.orValue({}).exists(key, key.startsWith("task.valetkey.dev/")) ||
  pod.spec.?initContainers.orValue([]).exists(container, container.name == "valetkey-sidecar") ||
  pod.spec.?containers.orValue([]).exists(container, container.name == "valetkey-sidecar") ||
  pod.spec.?ephemeralContainers.orValue([]).exists(container, container.name == "valetkey-sidecar") ||
  pod.spec.?volumes.orValue([]).exists(volume, volume.name.startsWith("valetkey-"))
  {{- with .audience }} ||
  // An empty list of sources is null.
  pod.spec.?volumes.orValue([]).exists(volume, has(volume.projected) && has(volume.projected.sources) &&
    volume.projected.sources != null && volume.projected.sources.exists(source,
      source.?serviceAccountToken.?audience.orValue("") == {{ . }}))
  {{- end }}
))
{{- end }}

{{/* Names and IDs that more than one rule uses. */}}
{{- define "valetkey.policyConstants" -}}
- name: sidecarName
  expression: '"valetkey-sidecar"'
- name: sidecarUid
  expression: '64871'
- name: sidecarGid
  expression: '64871'
- name: volumePrefix
  expression: '"valetkey-"'
- name: tokenVolume
  expression: '"valetkey-token"'
# Where a consumer has its socket, and where the sidecar has one folder for each consumer.
- name: socketPath
  expression: '"/var/run/valetkey"'
# Text from a request is repeated in a message only if it matches: no control characters, not too long.
- name: printable
  expression: '"^[ -~]{0,80}$"'
- name: exemptions
  expression: params.data.ruleExemptions.split("\n")
{{- end }}

{{/*
Rule 4, the same as lib/injection/rules/hardening.ts, for each container `k` of `variables.others`: its `path`,
itself as `it`, its security context as `context`. A container's own field wins over `variables.podContext`.
*/}}
{{- define "valetkey.policyRule4" -}}
- name: seccompTypes
  expression: '["RuntimeDefault", "Localhost"]'
- name: seLinuxTypes
  expression: '["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]'
- name: isBaseline
  expression: request.namespace in params.data.baselineNamespaces.split("\n")
# Capabilities that must be dropped, any of them, and those that may be added.
- name: restrictedDrop
  expression: '["ALL"]'
- name: baselineDrop
  expression: '["NET_RAW", "ALL"]'
- name: restrictedCapabilities
  expression: '["NET_BIND_SERVICE"]'
- name: baselineCapabilities
  expression: >-
    ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]
- name: drop
  expression: 'variables.isBaseline ? variables.baselineDrop : variables.restrictedDrop'
- name: addable
  expression: 'variables.isBaseline ? variables.baselineCapabilities : variables.restrictedCapabilities'
# At both levels.
- name: containerHardening
  expression: |-
    variables.others.map(k, [
      k.context.?privileged.orValue(false)
        ? k.path + "/securityContext/privileged: expected false or nothing, got true (rule 4)" : "",
      k.context.?runAsUser.orValue(-1) == variables.sidecarUid
        ? k.path + "/securityContext/runAsUser: expected any user except the sidecar's, got its user (rule 4)" : "",
      k.context.?runAsGroup.orValue(-1) == variables.sidecarGid
        ? k.path + "/securityContext/runAsGroup: expected any group except the sidecar's, got its group (rule 4)" : "",
      k.context.?procMount.orValue("Default") != "Default"
        ? k.path + "/securityContext/procMount: expected Default or nothing, got " + k.context.procMount + " (rule 4)" : "",
      // A type of the pod's is reported once, at the pod.
      (k.context.?seccompProfile.?type.hasValue() || !variables.podContext.?seccompProfile.?type.hasValue()) &&
      !(k.context.?seccompProfile.?type.orValue("") in variables.seccompTypes)
        ? k.path + "/securityContext/seccompProfile/type: expected RuntimeDefault or Localhost, got another value (rule 4)" : "",
      k.context.?appArmorProfile.?type.orValue("") == "Unconfined"
        ? k.path + "/securityContext/appArmorProfile/type: expected any profile except Unconfined, got Unconfined (rule 4)" : "",
      object.metadata.?annotations[?("container.apparmor.security.beta.kubernetes.io/" + k.it.name)].orValue("") == "unconfined"
        ? "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1" + k.it.name +
          ": expected any profile except unconfined, got unconfined (rule 4)" : "",
      !(k.context.?seLinuxOptions.?type.orValue("") in variables.seLinuxTypes)
        ? k.path + "/securityContext/seLinuxOptions/type: expected a container type or nothing, got another type (rule 4)" : "",
      k.context.?seLinuxOptions.?user.orValue("") != ""
        ? k.path + "/securityContext/seLinuxOptions/user: expected nothing, got a user (rule 4)" : "",
      k.context.?seLinuxOptions.?role.orValue("") != ""
        ? k.path + "/securityContext/seLinuxOptions/role: expected nothing, got a role (rule 4)" : "",
    ].filter(line, line != "").join("; ")).filter(lines, lines != "")
# At level restricted only.
- name: containerPrivileges
  expression: |-
    variables.isBaseline ? [] : variables.others.map(k, [
      k.context.?allowPrivilegeEscalation.orValue(true)
        ? k.path + "/securityContext/allowPrivilegeEscalation: expected false, got true or nothing (rule 4)" : "",
      k.context.?runAsUser.orValue(-1) == 0
        ? k.path + "/securityContext/runAsUser: expected a user other than 0, got 0 (rule 4)" : "",
      !k.context.?runAsUser.or(variables.podContext.?runAsUser).hasValue() &&
      !k.context.?runAsNonRoot.or(variables.podContext.?runAsNonRoot).orValue(false)
        ? k.path + "/securityContext/runAsNonRoot: expected \"runAsNonRoot: true\", or a runAsUser other than 0, got neither (rule 4)" : "",
    ].filter(line, line != "").join("; ")).filter(lines, lines != "")
- name: containerCapabilities
  expression: |-
    variables.others.map(k, (
      (k.context.?capabilities.?drop.orValue([]).exists(name, name in variables.drop) ? [] :
        [k.path + "/securityContext/capabilities/drop: expected " + variables.drop.join(" or ") + ", got others or nothing (rule 4)"]) +
      k.context.?capabilities.?add.orValue([]).filter(name, !(name in variables.addable)).map(name,
        k.path + "/securityContext/capabilities/add/" + string(k.context.capabilities.add.indexOf(name)) +
        ": expected at most " + variables.addable.join(", ") + ", got " +
        (name.matches(variables.printable) ? name : "a name that is not printable") + " (rule 4)")
    ).join("; ")).filter(lines, lines != "")
# Fields of the pod, where a container has none of its own. AppArmor and SELinux also confine the sidecar.
- name: podHardening
  expression: |-
    variables.others.size() == 0 ? [] : [
      variables.podContext.?seccompProfile.?type.hasValue() &&
      !(variables.podContext.seccompProfile.type in variables.seccompTypes) &&
      variables.others.exists(k, !k.context.?seccompProfile.?type.hasValue())
        ? "/spec/securityContext/seccompProfile/type: expected RuntimeDefault or Localhost, got another value (rule 4)" : "",
      variables.podContext.?appArmorProfile.?type.orValue("") == "Unconfined"
        ? "/spec/securityContext/appArmorProfile/type: expected any profile except Unconfined, got Unconfined (rule 4)" : "",
      object.metadata.?annotations[?("container.apparmor.security.beta.kubernetes.io/" + variables.sidecarName)].orValue("") == "unconfined"
        ? "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1" + variables.sidecarName +
          ": expected any profile except unconfined, got unconfined (rule 4)" : "",
      !(variables.podContext.?seLinuxOptions.?type.orValue("") in variables.seLinuxTypes)
        ? "/spec/securityContext/seLinuxOptions/type: expected a container type or nothing, got another type (rule 4)" : "",
      variables.podContext.?seLinuxOptions.?user.orValue("") != ""
        ? "/spec/securityContext/seLinuxOptions/user: expected nothing, got a user (rule 4)" : "",
      variables.podContext.?seLinuxOptions.?role.orValue("") != ""
        ? "/spec/securityContext/seLinuxOptions/role: expected nothing, got a role (rule 4)" : "",
      !variables.isBaseline && variables.podContext.?runAsUser.orValue(-1) == 0 &&
      variables.others.exists(k, !k.context.?runAsUser.hasValue())
        ? "/spec/securityContext/runAsUser: expected a user other than 0, got 0 (rule 4)" : "",
    ].filter(line, line != "")
- name: rule4
  expression: |-
    request.namespace + "/4" in variables.exemptions ? [] :
      variables.containerHardening + variables.containerPrivileges + variables.containerCapabilities +
      variables.podHardening
{{- end }}

{{/*
Rule 6, the same as lib/injection/rules/mounts.ts, for each container `k` of `variables.others`. A consumer's own
socket volume is the one that `variables.sidecarMounts` mounts in the consumer's folder; rule 2 protects those.
*/}}
{{- define "valetkey.policyRule6" -}}
- name: ownMounts
  expression: |-
    variables.others.map(k, {
      "path": dyn(k.path),
      "mounts": dyn(k.it.?volumeMounts.orValue([])),
      "sockets": dyn(variables.sidecarMounts
        .filter(mount, mount.mountPath == variables.socketPath + "/" + k.it.name).map(mount, mount.name)),
    })
# The first mount of a container's own socket is as injection writes it.
- name: changedSocketMounts
  expression: |-
    variables.ownMounts.map(k, k.mounts.filter(mount, mount.name in k.sockets &&
      k.mounts.filter(each, each.name == mount.name)[0].mountPath == mount.mountPath
    ).map(mount, [
      mount.mountPath != variables.socketPath ? "mountPath: expected " + variables.socketPath + ", got another path" : "",
      !mount.?readOnly.orValue(false) ? "readOnly: expected true, got false or nothing" : "",
      mount.?subPath.orValue("") != "" ? "subPath: expected nothing, got a path" : "",
      mount.?subPathExpr.orValue("") != "" ? "subPathExpr: expected nothing, got a path" : "",
      mount.?mountPropagation.orValue("None") != "None" ? "mountPropagation: expected None or nothing, got " + mount.mountPropagation : "",
    ].filter(line, line != "").map(line,
      k.path + "/volumeMounts/" + string(k.mounts.map(each, each.mountPath).indexOf(mount.mountPath)) + "/" + line + " (rule 6)"
    ).join("; ")).filter(lines, lines != "").join("; ")).filter(lines, lines != "")
# Any other mount of a volume with a reserved name.
- name: reservedMounts
  expression: |-
    variables.ownMounts.map(k, k.mounts.filter(mount, mount.name.startsWith(variables.volumePrefix) &&
      !(mount.name in k.sockets && k.mounts.filter(each, each.name == mount.name)[0].mountPath == mount.mountPath)
    ).map(mount,
      k.path + "/volumeMounts/" + string(k.mounts.map(each, each.mountPath).indexOf(mount.mountPath)) +
      "/name: expected no mount of the exchange token or of another container's socket, got " + mount.name + " (rule 6)"
    ).join("; ")).filter(lines, lines != "")
# A mount at, above or below the sockets, in any spelling: "/run" is a link to "/var/run" in nearly every image.
- name: overlappingMounts
  expression: |-
    variables.ownMounts.map(k, k.mounts.filter(mount, !mount.name.startsWith(variables.volumePrefix) && (
      ".." in mount.mountPath.split("/") ||
      ["/" + mount.mountPath.split("/").filter(part, part != "" && part != ".").join("/")]
        .map(path, path == "/run" || path.startsWith("/run/") ? "/var" + path : path)
        .exists(path, path == "/" || (variables.socketPath + "/").startsWith(path + "/") ||
          path.startsWith(variables.socketPath + "/"))
    )).map(mount,
      k.path + "/volumeMounts/" + string(k.mounts.map(each, each.mountPath).indexOf(mount.mountPath)) +
      "/mountPath: expected a path without \"..\" that is not at, above or below " + variables.socketPath + ", got " +
      (mount.mountPath.matches(variables.printable) ? mount.mountPath : "a path that is not printable") + " (rule 6)"
    ).join("; ")).filter(lines, lines != "")
# Other ways to read a volume.
- name: reservedVolumes
  expression: |-
    variables.others.map(k, (
      k.it.?volumeDevices.orValue([]).filter(device, device.name.startsWith(variables.volumePrefix)).map(device,
        k.path + "/volumeDevices/" + string(k.it.volumeDevices.map(each, each.devicePath).indexOf(device.devicePath)) +
        "/name: expected no volume of Valetkey, got " + device.name + " (rule 6)") +
      k.it.?env.orValue([]).filter(variable,
        variable.?valueFrom.?fileKeyRef.?volumeName.orValue("").startsWith(variables.volumePrefix)).map(variable,
        k.path + "/env/" + string(k.it.env.map(each, each.name).indexOf(variable.name)) +
        "/valueFrom/fileKeyRef/volumeName: expected no volume of Valetkey, got " +
        variable.valueFrom.fileKeyRef.volumeName + " (rule 6)")
    ).join("; ")).filter(lines, lines != "")
- name: rule6
  expression: >-
    variables.changedSocketMounts + variables.reservedMounts + variables.overlappingMounts +
    variables.reservedVolumes
{{- end }}

{{/* Denies if there are violations, and lists as many of them as the API server accepts in a message (5 KiB). */}}
{{- define "valetkey.policyValidations" -}}
validations:
  - expression: variables.violations.size() == 0
    messageExpression: |-
      variables.message.size() > 4000 ? variables.message.substring(0, 4000) + "…" : variables.message
    message: {{ .message }}
    reason: Forbidden
{{- end }}
{{- define "valetkey.policyMessage" -}}
- name: message
  expression: variables.violations.join("; ")
{{- end }}
