package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type assumeAnswer struct {
	Credentials struct {
		AccessKeyId     string
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	} `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
}

type tokenAnswer struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int    `json:"expires_in"`
}

type bareAuthority struct {
	key *ecdsa.PrivateKey
	sts string
}

// serveAuthority verifies, decides and records nothing: it signs a grant (ES256),
// exchanges it at STS over pooled connections, and responds.
func serveAuthority(address, certificate, key, sts string) error {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = maxConnections
	handler := http.NewServeMux()
	handler.Handle("POST /v1/token", &bareAuthority{signer, sts})
	handler.HandleFunc("POST /v1/calls", serveGatedCall)
	return http.ListenAndServeTLS(address, certificate, key, handler)
}

// serveGatedCall reads the form, computes the HMAC of the ticket and decodes ticket and call. It has
// no key that any ticket was sealed with, verifies no token and decides nothing.
func serveGatedCall(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("subject_token") == "" {
		http.Error(w, "form: expected a subject_token", http.StatusBadRequest)
		return
	}
	parts := strings.Split(r.PostForm.Get("ticket"), ".")
	if len(parts) != 3 {
		http.Error(w, "form: expected a ticket", http.StatusBadRequest)
		return
	}
	mark := hmac.New(sha256.New, []byte("the key of a bare program, which is no secret"))
	mark.Write([]byte(parts[0] + "." + parts[1]))
	_ = hmac.Equal(mark.Sum(nil), []byte(parts[2]))
	var claims, call map[string]any
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err == nil {
		err = json.Unmarshal([]byte(r.PostForm.Get("call")), &call)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("{}"))
}

func (a *bareAuthority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := a.exchange(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

func (a *bareAuthority) exchange(r *http.Request) (tokenAnswer, error) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("subject_token") == "" {
		return tokenAnswer{}, fmt.Errorf("form: expected a subject_token")
	}
	grant, err := a.sign()
	if err != nil {
		return tokenAnswer{}, err
	}
	answered, err := http.PostForm(a.sts, url.Values{
		"Action":           {"AssumeRoleWithWebIdentity"},
		"Version":          {"2011-06-15"},
		"RoleArn":          {"arn:aws:iam::111122223333:role/agent-reports"},
		"RoleSessionName":  {"agent-0@bench"},
		"WebIdentityToken": {grant},
		"Policy":           {sessionPolicy},
		"DurationSeconds":  {"900"},
	})
	if err != nil {
		return tokenAnswer{}, err
	}
	defer answered.Body.Close()
	text, err := io.ReadAll(answered.Body)
	if err != nil {
		return tokenAnswer{}, err
	}
	var assumed assumeAnswer
	if err := xml.Unmarshal(text, &assumed); err != nil {
		return tokenAnswer{}, err
	}
	given := assumed.Credentials
	credentials, err := json.Marshal(containerCredentials{
		given.AccessKeyId, given.SecretAccessKey, given.SessionToken, given.Expiration,
	})
	return tokenAnswer{
		AccessToken:     base64.RawURLEncoding.EncodeToString(credentials),
		IssuedTokenType: "urn:valetkey:params:oauth:token-type:aws-credentials",
		TokenType:       "N_A",
		ExpiresIn:       600,
	}, err
}

const sessionPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::acme-data/reports/*"},{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-11-02T02:10:00Z"}}}]}`

// sign makes a JWT (RFC 7515, ES256) of claims as long as a grant's.
func (a *bareAuthority) sign() (string, error) {
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{
		"iss": "https://valetkey.example/bench",
		"sub": "spiffe://bench.example/ns/live/sa/agent/task/summarize",
		"aud": "sts.amazonaws.com",
		"iat": now, "nbf": now, "exp": now + 60, "jti": fmt.Sprint(time.Now().UnixNano()),
		"https://aws.amazon.com/source_identity": "live.agent",
		"https://aws.amazon.com/tags": map[string]any{
			"principal_tags": map[string][]string{
				"namespace": {"live"}, "service-account": {"agent"}, "task": {"summarize"},
			},
			"transitive_tag_keys": []string{"namespace", "service-account", "task"},
		},
	})
	if err != nil {
		return "", err
	}
	text := &bytes.Buffer{}
	text.WriteString(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"bare","typ":"JWT"}`)))
	text.WriteByte('.')
	text.WriteString(base64.RawURLEncoding.EncodeToString(claims))
	digest := sha256.Sum256(text.Bytes())
	r, s, err := ecdsa.Sign(rand.Reader, a.key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	text.WriteByte('.')
	text.WriteString(base64.RawURLEncoding.EncodeToString(signature))
	return text.String(), nil
}
