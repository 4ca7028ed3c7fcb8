package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	maxReviewBytes   = 3 << 20
	annotationPrefix = "task.valetkey.dev/"
)

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID       string          `json:"uid"`
	Namespace string          `json:"namespace"`
	Operation string          `json:"operation"`
	Object    json.RawMessage `json:"object"`
}

type response struct {
	UID              string            `json:"uid"`
	Allowed          bool              `json:"allowed"`
	PatchType        string            `json:"patchType,omitempty"`
	Patch            []byte            `json:"patch,omitempty"`
	Warnings         []string          `json:"warnings,omitempty"`
	AuditAnnotations map[string]string `json:"auditAnnotations,omitempty"`
}

// pod holds what a patch depends on, and no more is decoded.
type pod struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Name         string  `json:"name"`
			VolumeMounts []mount `json:"volumeMounts"`
		} `json:"containers"`
		Volumes []struct {
			Name string `json:"name"`
		} `json:"volumes"`
	} `json:"spec"`
}

type container struct {
	Name            string          `json:"name"`
	Image           string          `json:"image"`
	ImagePullPolicy string          `json:"imagePullPolicy"`
	RestartPolicy   string          `json:"restartPolicy"`
	Command         []string        `json:"command"`
	Env             []envVar        `json:"env"`
	Ports           []port          `json:"ports"`
	StartupProbe    probe           `json:"startupProbe"`
	Resources       resources       `json:"resources"`
	SecurityContext securityContext `json:"securityContext"`
	VolumeMounts    []mount         `json:"volumeMounts"`
}

type envVar struct {
	Name      string     `json:"name"`
	Value     string     `json:"value,omitempty"`
	ValueFrom *valueFrom `json:"valueFrom,omitempty"`
}

type valueFrom struct {
	FieldRef struct {
		FieldPath string `json:"fieldPath"`
	} `json:"fieldRef"`
}

type port struct {
	Name          string `json:"name"`
	ContainerPort int    `json:"containerPort"`
}

type probe struct {
	HTTPGet struct {
		Path string `json:"path"`
		Port int    `json:"port"`
	} `json:"httpGet"`
	PeriodSeconds    int `json:"periodSeconds"`
	TimeoutSeconds   int `json:"timeoutSeconds"`
	FailureThreshold int `json:"failureThreshold"`
}

type amounts struct {
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory"`
}

type resources struct {
	Requests amounts `json:"requests"`
	Limits   amounts `json:"limits"`
}

type securityContext struct {
	RunAsUser                int  `json:"runAsUser"`
	RunAsGroup               int  `json:"runAsGroup"`
	RunAsNonRoot             bool `json:"runAsNonRoot"`
	ReadOnlyRootFilesystem   bool `json:"readOnlyRootFilesystem"`
	AllowPrivilegeEscalation bool `json:"allowPrivilegeEscalation"`
	Capabilities             struct {
		Drop []string `json:"drop"`
	} `json:"capabilities"`
	SeccompProfile struct {
		Type string `json:"type"`
	} `json:"seccompProfile"`
}

type mount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
}

type volume struct {
	Name      string     `json:"name"`
	EmptyDir  *emptyDir  `json:"emptyDir,omitempty"`
	Projected *projected `json:"projected,omitempty"`
}

type emptyDir struct {
	Medium    string `json:"medium"`
	SizeLimit string `json:"sizeLimit"`
}

type projected struct {
	Sources []source `json:"sources"`
}

type source struct {
	ServiceAccountToken struct {
		Audience          string `json:"audience"`
		ExpirationSeconds int    `json:"expirationSeconds"`
		Path              string `json:"path"`
	} `json:"serviceAccountToken"`
}

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

func serveWebhook(address, certificate, key string) error {
	handler := http.NewServeMux()
	handler.HandleFunc("POST /mutate", mutate)
	return (&http.Server{Addr: address, Handler: handler}).ListenAndServeTLS(certificate, key)
}

func mutate(w http.ResponseWriter, r *http.Request) {
	answer, err := admit(http.MaxBytesReader(w, r.Body, maxReviewBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer)
}

func admit(body io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	var asked review
	if err := json.Unmarshal(raw, &asked); err != nil {
		return nil, err
	}
	if asked.Request == nil {
		return nil, fmt.Errorf("request: expected one, got none")
	}
	var given pod
	if err := json.Unmarshal(asked.Request.Object, &given); err != nil {
		return nil, err
	}
	patch, err := json.Marshal(patchOf(given))
	if err != nil {
		return nil, err
	}
	return json.Marshal(review{
		APIVersion: asked.APIVersion,
		Kind:       asked.Kind,
		Response: &response{
			UID: asked.Request.UID, Allowed: true, PatchType: "JSONPatch", Patch: patch,
			Warnings: []string{"the API token is not mounted into this pod: a pod that needs it writes automountServiceAccountToken: true, where the platform allows it"},
			AuditAnnotations: map[string]string{
				"tasks": "summarize", "consumers": "agent,reporter", "injection-template": templateHash,
			},
		},
	})
}

// patchOf builds the operations that our webhook builds, so that both send as much, but reads no
// declaration and evaluates neither policies nor rules.
func patchOf(given pod) []operation {
	operations := removals(given)
	operations = append(operations, operation{"add", "/spec/automountServiceAccountToken", false})
	for index := range given.Spec.Containers {
		operations = append(operations, consumer(index)...)
	}
	operations = append(operations, operation{"add", "/spec/volumes/-", tokenVolume()})
	for index := range given.Spec.Containers {
		memory := &emptyDir{Medium: "Memory", SizeLimit: "1Mi"}
		operations = append(operations, operation{"add", "/spec/volumes/-", volume{Name: volumeName(index), EmptyDir: memory}})
	}
	return append(operations,
		operation{"add", "/spec/initContainers", []container{sidecar(given)}},
		operation{"add", "/metadata/labels/valetkey.dev~1injected", "true"},
	)
}

const apiTokenPrefix = "kube-api-access-"

func removals(given pod) []operation {
	operations := []operation{}
	remove := func(path string, name string) {
		if strings.HasPrefix(name, apiTokenPrefix) {
			operations = append(operations, operation{Op: "remove", Path: path})
		}
	}
	for at, container := range given.Spec.Containers {
		for index, mount := range container.VolumeMounts {
			remove(fmt.Sprintf("/spec/containers/%d/volumeMounts/%d", at, index), mount.Name)
		}
	}
	for index, volume := range given.Spec.Volumes {
		remove(fmt.Sprintf("/spec/volumes/%d", index), volume.Name)
	}
	return operations
}

func volumeName(index int) string {
	return "valetkey-consumer-" + strconv.Itoa(index)
}

func consumer(index int) []operation {
	at := "/spec/containers/" + strconv.Itoa(index)
	equipment := mount{Name: volumeName(index), MountPath: "/var/run/valetkey", ReadOnly: true}
	operations := []operation{{"add", at + "/volumeMounts/-", equipment}}
	for _, variable := range []envVar{
		{Name: "VALETKEY_SOCKET", Value: "/var/run/valetkey/socket"},
		{Name: "AWS_CONTAINER_CREDENTIALS_FULL_URI", Value: "http://127.0.0.1:9471/v1/credentials"},
		{Name: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Value: "/var/run/valetkey/token"},
		{Name: "AWS_EC2_METADATA_DISABLED", Value: "true"},
		{Name: "AWS_REGION", Value: "eu-central-1"},
		{Name: "AWS_DEFAULT_REGION", Value: "eu-central-1"},
	} {
		operations = append(operations, operation{"add", at + "/env/-", variable})
	}
	return operations
}

var templateHash = strings.Repeat("0", 64)

func sidecar(given pod) container {
	added := container{
		Name:            "valetkey-sidecar",
		Image:           "registry.example/valetkey@sha256:" + templateHash,
		ImagePullPolicy: "IfNotPresent",
		RestartPolicy:   "Always",
		Command: []string{
			"/usr/local/bin/node", "--disable-sigusr1", "--disable-proto=delete",
			"--disallow-code-generation-from-strings", "--no-addons", "--no-concurrent-recompilation",
			"--max-semi-space-size=1", "--max-old-space-size=64", "--v8-pool-size=0",
			"/opt/valetkey/sidecar.cjs",
		},
		Env: []envVar{
			{Name: "NODE_OPTIONS"},
			{Name: "UV_THREADPOOL_SIZE", Value: "1"},
			{Name: "MALLOC_ARENA_MAX", Value: "1"},
			{Name: "NODE_COMPILE_CACHE", Value: "/opt/valetkey/compile-cache"},
			{Name: "VALETKEY_TRUST", Value: "cluster"},
			{Name: "VALETKEY_POD_NAME", ValueFrom: field("metadata.name")},
			{Name: "VALETKEY_POD_NAMESPACE", ValueFrom: field("metadata.namespace")},
			{Name: "VALETKEY_POD_IPS", ValueFrom: field("status.podIPs")},
			{Name: "VALETKEY_CLOUD", Value: `{"allowHttp":false,"dialect":"aws","region":"eu-central-1","sourceRestriction":{"mode":"none"}}`},
			{Name: "VALETKEY_TOKEN_FILE", Value: "/var/run/secrets/kubernetes.io/serviceaccount/token"},
			{Name: "VALETKEY_CONSUMERS_FOLDER", Value: "/var/run/valetkey"},
			{Name: "VALETKEY_LOOPBACK_LISTEN", Value: "127.0.0.1:9471"},
			{Name: "VALETKEY_TELEMETRY_LISTEN", Value: ":9472"},
			{Name: "VALETKEY_GATEWAY", Value: `{"allowHttp":false,"bufferBytes":33554432,"dialect":"aws","fixedKey":"auto","journalLinesPerSecond":200,"journalResources":"full","maxBodyBytes":8388608,"region":"eu-central-1"}`},
			{Name: "VALETKEY_GATEWAY_LISTEN", Value: "127.0.0.1:9473"},
			{Name: "VALETKEY_INJECTION_TEMPLATE", Value: templateHash},
			{Name: "VALETKEY_TASKS", Value: declared(given)},
		},
		Ports:        []port{{"valetkey-metric", 9472}},
		StartupProbe: probe{PeriodSeconds: 1, TimeoutSeconds: 2, FailureThreshold: 120},
		Resources:    resources{Requests: amounts{"100m", "96Mi"}, Limits: amounts{Memory: "96Mi"}},
		SecurityContext: securityContext{
			RunAsUser: 64871, RunAsGroup: 64871, RunAsNonRoot: true, ReadOnlyRootFilesystem: true,
		},
		VolumeMounts: []mount{{"valetkey-token", "/var/run/secrets/kubernetes.io/serviceaccount", true}},
	}
	added.StartupProbe.HTTPGet.Path = "/readyz"
	added.StartupProbe.HTTPGet.Port = 9472
	added.SecurityContext.Capabilities.Drop = []string{"ALL"}
	added.SecurityContext.SeccompProfile.Type = "RuntimeDefault"
	for index, container := range given.Spec.Containers {
		folder := mount{Name: volumeName(index), MountPath: "/var/run/valetkey/" + container.Name}
		added.VolumeMounts = append(added.VolumeMounts, folder)
	}
	return added
}

// declared is as long as what our webhook reads out of the declarations, but as they were written.
func declared(given pod) string {
	tasks := map[string]string{}
	for key, text := range given.Metadata.Annotations {
		if name, isTask := strings.CutPrefix(key, annotationPrefix); isTask {
			tasks[name] = text
		}
	}
	admitted, _ := json.Marshal(tasks)
	return string(admitted)
}

func field(path string) *valueFrom {
	var from valueFrom
	from.FieldRef.FieldPath = path
	return &from
}

func tokenVolume() volume {
	var token source
	token.ServiceAccountToken.Audience = "sts.amazonaws.com"
	token.ServiceAccountToken.ExpirationSeconds = 600
	token.ServiceAccountToken.Path = "token"
	return volume{Name: "valetkey-token", Projected: &projected{Sources: []source{token}}}
}
