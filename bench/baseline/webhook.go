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
	UID       string   `json:"uid"`
	Allowed   bool     `json:"allowed"`
	PatchType string   `json:"patchType,omitempty"`
	Patch     []byte   `json:"patch,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

type pod struct {
	Metadata struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		InitContainers []container `json:"initContainers"`
		Containers     []container `json:"containers"`
		Volumes        []volume    `json:"volumes"`
	} `json:"spec"`
}

type container struct {
	Name            string         `json:"name"`
	Image           string         `json:"image,omitempty"`
	RestartPolicy   string         `json:"restartPolicy,omitempty"`
	Env             []envVar       `json:"env,omitempty"`
	VolumeMounts    []mount        `json:"volumeMounts,omitempty"`
	SecurityContext map[string]any `json:"securityContext,omitempty"`
	Resources       map[string]any `json:"resources,omitempty"`
	StartupProbe    map[string]any `json:"startupProbe,omitempty"`
}

type envVar struct {
	Name      string         `json:"name"`
	Value     string         `json:"value,omitempty"`
	ValueFrom map[string]any `json:"valueFrom,omitempty"`
}

type mount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
}

type volume struct {
	Name      string         `json:"name"`
	EmptyDir  map[string]any `json:"emptyDir,omitempty"`
	Projected map[string]any `json:"projected,omitempty"`
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
		Response:   &response{UID: asked.Request.UID, Allowed: true, PatchType: "JSONPatch", Patch: patch},
	})
}

// patchOf makes operations of the kind, number and size that our webhook makes, but reads no
// declaration, knows no policy and judges nothing.
func patchOf(given pod) []operation {
	tasks := []string{}
	for key, text := range given.Metadata.Annotations {
		if strings.HasPrefix(key, annotationPrefix) {
			tasks = append(tasks, text)
		}
	}
	admitted, _ := json.Marshal(tasks)
	operations := []operation{
		{"add", "/metadata/labels/valetkey.dev~1injected", "true"},
		{"replace", "/spec/automountServiceAccountToken", false},
		{"add", "/spec/initContainers", []container{sidecar(string(admitted))}},
		{"add", "/spec/volumes/-", tokenVolume()},
	}
	for index := range given.Spec.Containers {
		operations = append(operations, consumer(index)...)
	}
	return operations
}

func consumer(index int) []operation {
	at := fmt.Sprintf("/spec/containers/%d", index)
	name := fmt.Sprintf("valetkey-consumer-%d", index)
	memory := map[string]any{"medium": "Memory", "sizeLimit": "1Mi"}
	operations := []operation{
		{"add", "/spec/volumes/-", volume{Name: name, EmptyDir: memory}},
		{"add", at + "/volumeMounts/-", mount{Name: name, MountPath: "/var/run/valetkey", ReadOnly: true}},
	}
	for _, variable := range [][2]string{
		{"VALETKEY_SOCKET", "/var/run/valetkey/socket"},
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9471/v1/credentials"},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/valetkey/token"},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"AWS_REGION", "eu-central-1"},
		{"AWS_DEFAULT_REGION", "eu-central-1"},
	} {
		operations = append(operations, operation{"add", at + "/env/-", envVar{Name: variable[0], Value: variable[1]}})
	}
	return operations
}

func sidecar(tasks string) container {
	return container{
		Name:          "valetkey-sidecar",
		Image:         "valetkey@sha256:0000000000000000000000000000000000000000000000000000000000000000",
		RestartPolicy: "Always",
		Env: []envVar{
			{Name: "VALETKEY_TASKS", Value: tasks},
			{Name: "VALETKEY_TRUST", Value: "cluster"},
			{Name: "VALETKEY_POD_NAME", ValueFrom: field("metadata.name")},
			{Name: "VALETKEY_POD_NAMESPACE", ValueFrom: field("metadata.namespace")},
			{Name: "VALETKEY_POD_IP", ValueFrom: field("status.podIP")},
			{Name: "VALETKEY_CLOUD", Value: `{"region":"eu-central-1","dialect":"aws","allowHttp":false,"bind":{"mode":"none"}}`},
			{Name: "VALETKEY_TOKEN_FILE", Value: "/var/run/secrets/kubernetes.io/serviceaccount/token"},
			{Name: "VALETKEY_CONSUMERS_FOLDER", Value: "/var/run/valetkey"},
			{Name: "NODE_OPTIONS"},
		},
		VolumeMounts: []mount{
			{Name: "valetkey-token", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true},
			{Name: "valetkey-consumer-0", MountPath: "/var/run/valetkey/agent"},
		},
		SecurityContext: map[string]any{
			"runAsUser": 64871, "runAsGroup": 64871, "runAsNonRoot": true, "readOnlyRootFilesystem": true,
			"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []string{"ALL"}},
			"seccompProfile": map[string]any{"type": "RuntimeDefault"},
		},
		Resources: map[string]any{
			"requests": map[string]any{"memory": "96Mi", "cpu": "10m"},
			"limits":   map[string]any{"memory": "96Mi"},
		},
		StartupProbe: map[string]any{
			"httpGet":       map[string]any{"path": "/readyz", "port": 9472},
			"periodSeconds": 1, "failureThreshold": 60,
		},
	}
}

func field(path string) map[string]any {
	return map[string]any{"fieldRef": map[string]any{"apiVersion": "v1", "fieldPath": path}}
}

func tokenVolume() volume {
	source := map[string]any{"serviceAccountToken": map[string]any{
		"audience": "sts.amazonaws.com", "expirationSeconds": 600, "path": "token",
	}}
	return volume{Name: "valetkey-token", Projected: map[string]any{"sources": []any{source}}}
}
