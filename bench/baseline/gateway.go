package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	signingService = "s3"
	signingRegion  = "eu-central-1"
	poolSize       = 64
	maxObject      = 64 << 20
)

// serveGateway signs each request with keys of its own and passes it on over pooled connections. It
// verifies and decides nothing, and streams bodies: the client's payload hash is signed as it is.
func serveGateway(address, upstream string) error {
	to, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	signer := v4.NewSigner(func(options *v4.SignerOptions) { options.DisableURIPathEscaping = true })
	keys := aws.Credentials{
		AccessKeyID:     "ASIABENCHBENCHBENCH0",
		SecretAccessKey: "bench/secret/of/forty/characters/in/all/",
		SessionToken:    strings.Repeat("token+of+a+session/", 40),
	}
	transport := &http.Transport{
		MaxIdleConnsPerHost: poolSize,
		MaxConnsPerHost:     poolSize,
		DisableCompression:  true,
		// The certificate is the bench's own; nothing secret is sent.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	proxy := &httputil.ReverseProxy{
		Transport: signingTransport{transport, signer, keys},
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(to)
			request.Out.Host = to.Host
		},
	}
	return http.ListenAndServe(address, proxy)
}

type signingTransport struct {
	next   http.RoundTripper
	signer *v4.Signer
	keys   aws.Credentials
}

func (t signingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	hash := request.Header.Get("X-Amz-Content-Sha256")
	if hash == "" {
		hash = "UNSIGNED-PAYLOAD"
		request.Header.Set("X-Amz-Content-Sha256", hash)
	}
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Forwarded-For"} {
		request.Header.Del(name)
	}
	err := t.signer.SignHTTP(context.Background(), t.keys, request, hash, signingService, signingRegion, time.Now())
	if err != nil {
		return nil, err
	}
	return t.next.RoundTrip(request)
}

// serveObjects answers GET /bucket/N with N bytes and reads what is PUT, as a cloud would without work.
// It listens with TLS if a certificate is given.
func serveObjects(address, certificate, key string) error {
	content := make([]byte, maxObject)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, err := io.Copy(io.Discard, r.Body)
			if err == nil {
				w.Header().Set("Content-Length", "0")
				w.WriteHeader(http.StatusOK)
			}
			return
		}
		size, err := strconv.Atoi(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
		if err != nil || size < 0 || size > maxObject {
			http.Error(w, fmt.Sprintf("expected a size of at most %d bytes as the last segment", maxObject), http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(content[:size])
	})
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if certificate == "" {
		return http.Serve(listener, handler)
	}
	return http.ServeTLS(listener, handler, certificate, key)
}
