// A consumer that uses the AWS SDK for Go v1, unmodified, controlled by lines on standard input. The protocol is
// that of ../client-process.ts. This SDK reads no AWS_ENDPOINT_URL: the application passes it.
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
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/s3"
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
	loaded, err := session.NewSession(&aws.Config{
		Endpoint:         aws.String(os.Getenv("AWS_ENDPOINT_URL")),
		S3ForcePathStyle: aws.Bool(true),
	})
	if err != nil {
		return err
	}
	client := s3.New(loaded)
	start := map[string]string{"op": "start", "sdk": "go-v1", "version": aws.SDKVersion, "runtime": runtime.Version()}
	if err := out.Encode(start); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() && lines.Text() != "quit" {
		op, key, _ := strings.Cut(lines.Text(), " ")
		if err := out.Encode(perform(client, op, key)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// newContext limits a call, unless the SDK's own limits are measured.
func newContext() (context.Context, context.CancelFunc) {
	if os.Getenv("CLIENT_LIMITS") == "sdk" {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), callTimeout)
}

func perform(client *s3.S3, op, key string) answer {
	ctx, cancel := newContext()
	defer cancel()
	startedAt := time.Now()
	err := call(ctx, client, op, key)
	result := answer{Op: op, Key: key, Ms: time.Since(startedAt).Milliseconds()}
	if err == nil {
		result.Status = aws.Int(200)
		return result
	}
	result.Message = aws.String(err.Error())
	result.Code = aws.String("CredentialsOrNetwork")
	var failure awserr.Error
	if errors.As(err, &failure) {
		result.Code = aws.String(failure.Code())
	}
	var response awserr.RequestFailure
	if errors.As(err, &response) {
		result.Status = aws.Int(response.StatusCode())
	}
	return result
}

func call(ctx context.Context, client *s3.S3, op, path string) error {
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

func read(ctx context.Context, client *s3.S3, bucket, key string) ([]byte, error) {
	output, err := client.GetObjectWithContext(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer output.Body.Close()
	return io.ReadAll(output.Body)
}

func write(ctx context.Context, client *s3.S3, bucket, key string, body []byte) error {
	_, err := client.PutObjectWithContext(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
	return err
}

// readBack writes an object of random bytes, and expects to read the same.
func readBack(ctx context.Context, client *s3.S3, bucket, key, size string) error {
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
