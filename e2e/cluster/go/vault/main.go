// A Vault server for tests: in memory, unsealed, with the auth method jwt and the engine kv. It prints its
// address and its root token as JSON, and stops with its standard input.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	hclog "github.com/hashicorp/go-hclog"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// Without the registry of Vault's own plugins, which holds every cloud's library.
type noPlugins struct{}

func (noPlugins) Contains(string, consts.PluginType) bool { return false }
func (noPlugins) Get(string, consts.PluginType) (func() (interface{}, error), bool) {
	return nil, false
}
func (noPlugins) Keys(consts.PluginType) []string { return nil }
func (noPlugins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Unknown, false
}

func require(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func start() (*vault.Core, string) {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	require(err)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		DisableMlock:       true,
		Logger:             logger,
		BuiltinRegistry:    noPlugins{},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory, "leased": vault.LeasedPassthroughBackendFactory},
		CredentialBackends: map[string]logical.Factory{"jwt": jwtauth.Factory},
	})
	require(err)
	shares := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	result, err := core.Initialize(context.Background(), &vault.InitParams{
		BarrierConfig:    shares,
		RecoveryConfig:   shares,
		LegacyShamirSeal: true,
	})
	require(err)
	_, err = core.Unseal(result.SecretShares[0])
	require(err)
	return core, result.RootToken
}

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	require(err)
	core, token := start()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require(err)
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})
	server := &http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	require(json.NewEncoder(os.Stdout).Encode(map[string]string{"address": listener.Addr().String(), "token": token}))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	require(server.ServeTLS(listener, "", ""))
}
