// A client of Vault with nothing but its environment: VAULT_ADDR and VAULT_TOKEN. It reads or lists a path, and
// prints the data, or the status and the errors of a refusal, as JSON.
package main

import (
	"encoding/json"
	"errors"
	"log"
	"os"

	"github.com/hashicorp/vault/api"
)

type result struct {
	Data   map[string]interface{} `json:"data,omitempty"`
	Status int                    `json:"status,omitempty"`
	Errors []string               `json:"errors,omitempty"`
}

func run(operation, path string) (result, error) {
	client, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		return result{}, err
	}
	call := client.Logical().Read
	if operation == "list" {
		call = client.Logical().List
	}
	secret, err := call(path)
	var refused *api.ResponseError
	if errors.As(err, &refused) {
		return result{Status: refused.StatusCode, Errors: refused.Errors}, nil
	}
	if err != nil || secret == nil {
		return result{}, err
	}
	return result{Data: secret.Data}, nil
}

func main() {
	found, err := run(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}
