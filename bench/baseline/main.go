// A bare Go net/http program that does on the wire what our programs do, and no more: the
// baseline.
//
//	baseline webhook ADDRESS CERTIFICATE KEY   HTTPS: decode an AdmissionReview, patch, encode
//	baseline sidecar SOCKET                    unix socket: answer held credentials
//	baseline authority ADDRESS CERTIFICATE KEY STS
//	                                           HTTPS: sign a grant, exchange it, respond
//	baseline gateway ADDRESS UPSTREAM          HTTP: sign a request for S3 and pass it on
//	baseline objects ADDRESS [CERTIFICATE KEY] what is behind both gateways
//	baseline load FLAGS                        the load for all, and for ours
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "webhook":
		return serveWebhook(args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "sidecar":
		return serveSidecar(args[1])
	case len(args) == 5 && args[0] == "authority":
		return serveAuthority(args[1], args[2], args[3], args[4])
	case len(args) == 3 && args[0] == "gateway":
		return serveGateway(args[1], args[2])
	case len(args) == 2 && args[0] == "objects":
		return serveObjects(args[1], "", "")
	case len(args) == 4 && args[0] == "objects":
		return serveObjects(args[1], args[2], args[3])
	case len(args) > 0 && args[0] == "load":
		return load(args[1:])
	}
	return fmt.Errorf("expected webhook, sidecar, authority, gateway, objects or load with their arguments, got %q", args)
}
