// A consumer that uses the AWS SDK for Go v2, unmodified, controlled by lines on standard input. The protocol is
// that of ../client-process.ts.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const callTimeout = 20 * time.Second

type answer struct {
	Op          string  `json:"op"`
	Key         string  `json:"key"`
	Status      *int    `json:"status"`
	Code        *string `json:"code"`
	Message     *string `json:"message"`
	AccessKeyID *string `json:"accessKeyId"`
	Ms          int64   `json:"ms"`
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	out := json.NewEncoder(os.Stdout)
	used := ""
	client, err := newClient(&used)
	if err != nil {
		return err
	}
	start := map[string]string{"op": "start", "sdk": "go", "version": aws.SDKVersion, "runtime": runtime.Version()}
	if err := out.Encode(start); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() && lines.Text() != "quit" {
		op, key, _ := strings.Cut(lines.Text(), " ")
		used = ""
		if err := out.Encode(perform(client, &used, op, key)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// newClient stores in used the access key that signed the last request.
func newClient(used *string) (*s3.Client, error) {
	loaded, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		return nil, err
	}
	return s3.NewFromConfig(loaded, func(options *s3.Options) {
		options.UsePathStyle = true
		options.APIOptions = append(options.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(noteAccessKey(used), "Signing", middleware.After)
		})
	}), nil
}

var credential = regexp.MustCompile(`Credential=([^/]+)/`)

func noteAccessKey(used *string) middleware.FinalizeMiddleware {
	return middleware.FinalizeMiddlewareFunc("NoteAccessKey", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if request, ok := in.Request.(*smithyhttp.Request); ok {
			if found := credential.FindStringSubmatch(request.Header.Get("Authorization")); found != nil {
				*used = found[1]
			}
		}
		return next.HandleFinalize(ctx, in)
	})
}

// newContext limits a call, unless the SDK's own limits are measured.
func newContext() (context.Context, context.CancelFunc) {
	if os.Getenv("CLIENT_LIMITS") == "sdk" {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), callTimeout)
}

func perform(client *s3.Client, used *string, op, key string) answer {
	ctx, cancel := newContext()
	defer cancel()
	startedAt := time.Now()
	err := call(ctx, client, op, key)
	result := answer{Op: op, Key: key, Ms: time.Since(startedAt).Milliseconds()}
	if *used != "" {
		result.AccessKeyID = aws.String(*used)
	}
	if err == nil {
		result.Status = aws.Int(200)
		return result
	}
	result.Status = getStatus(err)
	result.Code = aws.String(getCode(err))
	result.Message = aws.String(err.Error())
	return result
}

func call(ctx context.Context, client *s3.Client, op, path string) error {
	bucket, key, _ := strings.Cut(path, "/")
	switch op {
	case "get":
		_, err := read(ctx, client, bucket, key)
		return err
	case "put":
		return write(ctx, client, bucket, key, []byte("written by a client\n"))
	case "roundtrip":
		name, size, _ := strings.Cut(key, " ")
		return readBack(ctx, client, bucket, name, size)
	}
	return fmt.Errorf("op: expected get, put or roundtrip, got %q", op)
}

func read(ctx context.Context, client *s3.Client, bucket, key string) ([]byte, error) {
	output, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer output.Body.Close()
	return io.ReadAll(output.Body)
}

func write(ctx context.Context, client *s3.Client, bucket, key string, body []byte) error {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
	return err
}

// readBack writes an object of random bytes, and expects to read the same.
func readBack(ctx context.Context, client *s3.Client, bucket, key, size string) error {
	length, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	body := make([]byte, length)
	rand.Read(body)
	if err := write(ctx, client, bucket, key, body); err != nil {
		return err
	}
	got, err := read(ctx, client, bucket, key)
	if err == nil && !bytes.Equal(got, body) {
		return fmt.Errorf("expected the %d bytes that were written, got %d others", length, len(got))
	}
	return err
}

// getStatus returns the HTTP status of the cloud, otherwise of the sidecar.
func getStatus(err error) *int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return aws.Int(response.HTTPStatusCode())
	}
	var plain *smithyhttp.ResponseError
	if errors.As(err, &plain) {
		return aws.Int(plain.HTTPStatusCode())
	}
	return nil
}

func getCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "Timeout"
	}
	return "CredentialsOrNetwork"
}
