package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"
)

type containerCredentials struct {
	AccessKeyId     string
	SecretAccessKey string
	Token           string
	Expiration      string
}

// serveSidecar renders the answer once: nothing is faster than sending bytes that are there.
func serveSidecar(socket string) error {
	body, err := json.Marshal(containerCredentials{
		AccessKeyId:     "ASIABENCHBENCHBENCH0",
		SecretAccessKey: "bench/secret/of/forty/characters/in/all/",
		Token:           strings.Repeat("token+of+a+session/", 40),
		Expiration:      time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	handler := http.NewServeMux()
	handler.HandleFunc("GET /v1/credentials", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body)
	})
	return http.Serve(listener, handler)
}
